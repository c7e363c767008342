//! Patterns of a `tokenizer.json`, from Oniguruma's syntax to fancy-regex's.
//!
//! Python's tokenizers read them with Oniguruma, where `^` and `$` are of each line, `(?m)` lets a dot match a line's end, and
//! POSIX brackets hold more than ASCII. The same text read as fancy-regex's syntax would give other tokens without a word.

/// Letters, marks, digits and connectors: without the joiners that Rust's `\w` has too.
const WORD: &str = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}";

/// POSIX brackets, which are also names of properties: what stands for each between brackets.
const POSIX: [(&str, &str); 15] = [
    ("alnum", r"\p{Alphabetic}\p{Nd}"),
    ("alpha", r"\p{Alphabetic}"),
    ("ascii", r"\x00-\x7F"),
    ("blank", r"\t\p{Zs}"),
    ("cntrl", r"\p{Cc}"),
    ("digit", r"\p{Nd}"),
    ("graph", r"[^\s\p{Cc}\p{Cn}]"),
    ("lower", r"\p{Lowercase}"),
    ("posixpunct", r"\p{P}\$\+<=>\^`\|\~"),
    ("print", r"[^\s\p{Cc}\p{Cn}]\p{Zs}"),
    ("punct", r"\p{P}\$\+<=>\^`\|\~"),
    ("space", r"\s"),
    ("upper", r"\p{Uppercase}"),
    ("word", WORD),
    ("xdigit", "0-9A-Fa-f"),
];

/// The pattern as fancy-regex has to be given it; or what in it has no counterpart there.
pub fn translated(pattern: &str) -> Result<String, String> {
    let mut translator = Translator { pattern: pattern.chars().collect(), at: 0, out: String::new() };
    translator.alternatives(false)?;
    match translator.peek() {
        None => Ok(translator.out),
        Some(_) => Err("a `)` without its `(`".into()),
    }
}

struct Translator {
    pattern: Vec<char>,
    at: usize,
    out: String,
}

/// What a parenthesis was the start of.
enum Opened {
    Group,
    Comment,
    /// Options up to the end of the group that they stand in; whether blanks count for nothing from here.
    Options {
        extended: bool,
    },
}

impl Translator {
    fn peek(&self) -> Option<char> {
        self.pattern.get(self.at).copied()
    }

    fn take(&mut self) -> Result<char, String> {
        let next = self.peek().ok_or("an end where more has to follow")?;
        self.at += 1;
        Ok(next)
    }

    /// Steps over `text` where it comes next.
    fn skip(&mut self, text: &str) -> bool {
        let comes = self.pattern[self.at..].iter().copied().take(text.len()).eq(text.chars());
        self.at += if comes { text.len() } else { 0 };
        comes
    }

    /// What stands before `end`, and steps over that.
    fn until(&mut self, end: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.take()? {
                letter if letter == end => return Ok(text),
                letter => text.push(letter),
            }
        }
    }

    /// Up to `)` or the end.
    fn alternatives(&mut self, mut extended: bool) -> Result<(), String> {
        let mut open = 0;
        // Where the last thing that can be repeated begins.
        let mut atom = None;
        while let Some(next) = self.peek() {
            let start = self.out.len();
            match next {
                ')' => break,
                '|' => {
                    self.at += 1;
                    self.out.push('|');
                    atom = None;
                    continue;
                }
                '*' | '+' | '?' => {
                    self.repetition();
                    continue;
                }
                '{' => {
                    if self.interval(atom) {
                        continue;
                    }
                    self.at += 1;
                    self.out += r"\{";
                }
                '(' => match self.parenthesis(extended)? {
                    Opened::Group => {}
                    Opened::Comment => continue,
                    Opened::Options { extended: from_here } => {
                        extended = from_here;
                        open += 1;
                        atom = None;
                        continue;
                    }
                },
                '[' => self.class()?,
                '\\' => {
                    self.escape(false)?;
                }
                '^' => {
                    self.at += 1;
                    self.out += r"(?:\A|(?<=\n)(?!\z))";
                }
                '$' => {
                    self.at += 1;
                    self.out += r"(?=\n|\z)";
                }
                '#' if extended => {
                    while self.peek().is_some_and(|letter| letter != '\n') {
                        self.at += 1;
                    }
                    continue;
                }
                blank if extended && blank.is_ascii_whitespace() => {
                    self.at += 1;
                    continue;
                }
                letter => {
                    self.at += 1;
                    self.out.push(letter);
                }
            }
            atom = Some(start);
        }
        self.out += &")".repeat(open);
        Ok(())
    }

    /// `*`, `+` or `?`, and what makes it lazy or possessive.
    fn repetition(&mut self) {
        self.out.push(self.pattern[self.at]);
        self.at += 1;
        if let Some(kind @ ('?' | '+')) = self.peek() {
            self.out.push(kind);
            self.at += 1;
        }
    }

    /// `{2,3}`, unless the brace is a letter. A `+` behind one repeats it once more, and so does the `?` of `{2}?`.
    fn interval(&mut self, atom: Option<usize>) -> bool {
        let rest = &self.pattern[self.at + 1..];
        let Some(length) = rest.iter().position(|letter| *letter == '}') else { return false };
        let inner: String = rest[..length].iter().collect();
        let (least, most) = inner.split_once(',').map_or((inner.as_str(), None), |(least, most)| (least, Some(most)));
        let is_number = |text: &str| text.chars().all(|letter| letter.is_ascii_digit());
        let has_number = !least.is_empty() || most.is_some_and(|most| !most.is_empty());
        if !has_number || !is_number(least) || !most.is_none_or(is_number) {
            return false;
        }
        self.out += &format!("{{{inner}}}");
        self.at += length + 2;
        match (self.peek(), atom) {
            (Some('+'), Some(atom)) => self.wrap(atom),
            (Some('?'), Some(atom)) if most.is_none() => self.wrap(atom),
            (Some('?'), _) => {
                self.out.push('?');
                self.at += 1;
            }
            _ => {}
        }
        true
    }

    fn wrap(&mut self, start: usize) {
        self.out.insert_str(start, "(?:");
        self.out.push(')');
    }

    fn parenthesis(&mut self, extended: bool) -> Result<Opened, String> {
        self.at += 1;
        if self.peek() == Some('*') {
            return Err("a callout `(*`".into());
        }
        if !self.skip("?") {
            self.out.push('(');
            return self.group(extended);
        }
        if self.skip("#") {
            self.until(')')?;
            return Ok(Opened::Comment);
        }
        for kind in ["<=", "<!", "=", "!", ">", ":"] {
            if self.skip(kind) {
                self.out += &format!("(?{kind}");
                return self.group(extended);
            }
        }
        for (opening, closing) in [("<", '>'), ("'", '\'')] {
            if self.skip(opening) {
                let name = self.until(closing)?;
                self.out += &format!("(?<{name}>");
                return self.group(extended);
            }
        }
        self.options(extended)
    }

    /// The rest of a group whose opening is written.
    fn group(&mut self, extended: bool) -> Result<Opened, String> {
        self.alternatives(extended)?;
        if self.take().is_err() {
            return Err("a `(` without its `)`".into());
        }
        self.out.push(')');
        Ok(Opened::Group)
    }

    /// Options of a group, or up to the end of the one around them: there Ruby's reach over a `|` too, as if in a group.
    fn options(&mut self, mut extended: bool) -> Result<Opened, String> {
        let (mut on, mut off, mut is_off) = (String::new(), String::new(), false);
        loop {
            let letter = self.take()?;
            let flags = if is_off { &mut off } else { &mut on };
            match letter {
                'i' => flags.push('i'),
                'm' => flags.push('s'),
                'x' => extended = !is_off,
                '-' => is_off = true,
                ':' | ')' => {
                    let minus = if off.is_empty() { "" } else { "-" };
                    self.out += &format!("(?{on}{minus}{off}:");
                    return if letter == ':' { self.group(extended) } else { Ok(Opened::Options { extended }) };
                }
                letter => return Err(format!("a group `(?{letter}`")),
            }
        }
    }

    fn class(&mut self) -> Result<(), String> {
        self.at += 1;
        self.out.push('[');
        if self.skip("^") {
            self.out.push('^');
        }
        let (mut is_first, mut may_begin_range, mut ends_range) = (true, false, false);
        loop {
            let next = self.peek().ok_or("a `[` without its `]`")?;
            let mut is_letter = false;
            match next {
                ']' if !is_first => {
                    self.at += 1;
                    self.out.push(']');
                    return Ok(());
                }
                '[' => {
                    if !self.posix_bracket()? {
                        self.class()?;
                    }
                }
                '&' if self.skip("&&") => self.out += "&&",
                '\\' => is_letter = self.escape(true)?,
                '-' if may_begin_range && self.a_letter_follows() => {
                    self.at += 1;
                    self.out.push('-');
                    (may_begin_range, ends_range) = (false, true);
                    continue;
                }
                letter => {
                    self.at += 1;
                    self.literal(letter);
                    is_letter = true;
                }
            }
            is_first = false;
            may_begin_range = is_letter && !ends_range;
            ends_range = false;
        }
    }

    /// Whether a single letter comes after the one that is next: then a hyphen makes a range.
    fn a_letter_follows(&self) -> bool {
        match self.pattern.get(self.at + 1) {
            None | Some(']' | '[') => false,
            Some('\\') => !self.pattern.get(self.at + 2).is_some_and(|letter| "dDwWsShHpP".contains(*letter)),
            Some(_) => true,
        }
    }

    /// `[:space:]` within brackets.
    fn posix_bracket(&mut self) -> Result<bool, String> {
        let start = self.at;
        if !self.skip("[:") {
            return Ok(false);
        }
        let is_negated = self.skip("^");
        let name = self.until(':').unwrap_or_default();
        match POSIX.iter().find(|(known, _)| *known == name) {
            Some((_, items)) if self.skip("]") => {
                self.items(items, is_negated, true);
                Ok(true)
            }
            _ => {
                self.at = start;
                Ok(false)
            }
        }
    }

    fn items(&mut self, items: &str, is_negated: bool, in_class: bool) {
        self.out += &match (is_negated, in_class) {
            (true, _) => format!("[^{items}]"),
            (false, true) => items.to_string(),
            (false, false) => format!("[{items}]"),
        };
    }

    fn literal(&mut self, letter: char) {
        // `\<` and `\>` are edges of words there.
        if letter.is_ascii_punctuation() && !"<>".contains(letter) && !"\"'%,/:;=@_`!".contains(letter) {
            self.out.push('\\');
        }
        self.out.push(letter);
    }

    fn code(&mut self, digits: &str, radix: u32) -> Result<(), String> {
        let code = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let letter = code.ok_or_else(|| format!("a letter by the number `{digits}`"))?;
        self.out += &format!(r"\x{{{:X}}}", u32::from(letter));
        Ok(())
    }

    /// The digits that come next, as many as `most`.
    fn digits(&mut self, radix: u32, most: usize) -> String {
        let digits: String = self.pattern[self.at..].iter().take(most).take_while(|d| d.is_digit(radix)).collect();
        self.at += digits.len();
        digits
    }

    /// Whether it stands for a single letter.
    fn escape(&mut self, in_class: bool) -> Result<bool, String> {
        self.at += 1;
        let letter = self.take()?;
        match letter {
            'x' if self.skip("{") => {
                let digits = self.until('}')?;
                self.code(&digits, 16)?;
            }
            'x' => {
                let digits = self.digits(16, 2);
                self.code(&digits, 16)?;
            }
            'u' => {
                let digits = self.digits(16, 4);
                self.code(&digits, 16)?;
            }
            'c' => {
                let control = u32::from(self.take()?) & 0x1f;
                self.code(&control.to_string(), 10)?;
            }
            '0'..='7' if in_class || letter == '0' => {
                self.at -= 1;
                let digits = self.digits(8, 3);
                self.code(&digits, 8)?;
            }
            't' | 'n' | 'r' | 'f' | 'v' | 'a' | 'e' => self.out += &format!(r"\{letter}"),
            'b' if in_class => self.out += r"\x08",
            'd' | 'D' | 's' | 'S' => {
                self.out += &format!(r"\{letter}");
                return Ok(false);
            }
            'w' | 'W' | 'h' | 'H' => {
                let items = if letter.eq_ignore_ascii_case(&'w') { WORD } else { "0-9A-Fa-f" };
                self.items(items, letter.is_ascii_uppercase(), in_class);
                return Ok(false);
            }
            'p' | 'P' if self.skip("{") => {
                self.property(letter == 'P', in_class)?;
                return Ok(false);
            }
            'o' | 'g' | 'X' | 'y' | 'Y' | 'M' | 'C' => return Err(format!(r"`\{letter}`")),
            _ if in_class => self.literal(letter),
            'R' => self.out += r"(?>\r\n|[\n-\r\x{85}\x{2028}\x{2029}])",
            'N' => self.out += r"[^\n]",
            'O' => self.out += r"(?s:.)",
            'Z' => self.out += r"(?=\n?\z)",
            'b' => self.out += &format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"),
            'B' => self.out += &format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"),
            'A' | 'z' | 'G' | 'K' | '1'..='9' => {
                // Of two digits it is a matter of how many groups there are whether they are a letter's number.
                if letter.is_ascii_digit() && self.peek().is_some_and(|next| next.is_ascii_digit()) {
                    return Err(format!(r"`\{letter}` with a digit behind it"));
                }
                self.out += &format!(r"\{letter}");
            }
            'k' if self.skip("<") => {
                let name = self.until('>')?;
                self.out += &format!(r"\k<{name}>");
            }
            _ => self.literal(letter),
        }
        Ok(true)
    }

    fn property(&mut self, is_negated: bool, in_class: bool) -> Result<(), String> {
        let is_negated = is_negated != self.skip("^");
        let name = self.until('}')?;
        let plain: String =
            name.chars().filter(|letter| !" -_".contains(*letter)).map(|c| c.to_ascii_lowercase()).collect();
        match POSIX.iter().find(|(known, _)| *known == plain && plain != "punct") {
            Some((_, items)) => self.items(items, is_negated, in_class),
            None => self.out += &format!(r"\{}{{{name}}}", if is_negated { 'P' } else { 'p' }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::translated;

    /// The patterns of the models that most people use mean the same in both.
    #[test]
    fn common_patterns_stay_as_they_are() {
        for pattern in [
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*",
            " {2,}",
        ] {
            assert_eq!(translated(pattern).as_deref(), Ok(pattern));
        }
    }

    #[test]
    fn what_differs_is_rewritten() {
        let table = [
            ("^ +", r"(?:\A|(?<=\n)(?!\z)) +"),
            ("a$", r"a(?=\n|\z)"),
            ("(?m).", "(?s:.)"),
            ("(?m:a.b)", "(?s:a.b)"),
            ("a(?i)b|c", "a(?i:b|c)"),
            ("(a(?i)b)c", "(a(?i:b))c"),
            ("(?x) a b # words\n | c", "(?:ab|c)"),
            ("(?mi-x:a)", "(?si:a)"),
            ("a(?#words)b", "ab"),
            (r"\p{N}{1,3}+", r"(?:\p{N}{1,3})+"),
            ("(ab){2}?", "(?:(ab){2})?"),
            ("a{2,}?", "a{2,}?"),
            ("a{,}", r"a\{,}"),
            ("[[:space:]]+", r"[\s]+"),
            ("[^[:^alpha:]x]", r"[^[^\p{Alphabetic}]x]"),
            (r"\p{Alnum}\P{alnum}", r"[\p{Alphabetic}\p{Nd}][^\p{Alphabetic}\p{Nd}]"),
            (r"\p{^L}\P{^L}[\p{^L}]", r"\P{L}\p{L}[\P{L}]"),
            (r"\R\Z\O\N", r"(?>\r\n|[\n-\r\x{85}\x{2028}\x{2029}])(?=\n?\z)(?s:.)[^\n]"),
            (r"\h[\H]", r"[0-9A-Fa-f][[^0-9A-Fa-f]]"),
            (r"\<\q\0\x41\u0041\cA", r"<q\x{0}\x{41}\x{41}\x{1}"),
            ("[+--]", r"[\+-\-]"),
            ("[a-z-9]", r"[a-z\-9]"),
            ("[a~~b]", r"[a\~\~b]"),
            (r"[\w-]", r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\-]"),
            ("[a&&[^b]]", "[a&&[^b]]"),
            ("[]a]", r"[\]a]"),
            ("(?'name'a)", "(?<name>a)"),
        ];
        for (pattern, expected) in table {
            assert_eq!(translated(pattern).as_deref(), Ok(expected), "{pattern}");
        }
    }

    #[test]
    fn what_has_no_counterpart_is_named() {
        let table = [
            (r"\X", r"`\X`"),
            ("(?~ab)", "a group `(?~`"),
            ("(?s)a", "a group `(?s`"),
            (r"\g<0>", r"`\g`"),
            ("(*FAIL)", "a callout `(*`"),
            ("(a", "a `(` without its `)`"),
            ("a)", "a `)` without its `(`"),
            ("[a", "a `[` without its `]`"),
            (r"a\", "an end where more has to follow"),
            (r"(a)\12", r"`\1` with a digit behind it"),
        ];
        for (pattern, why) in table {
            assert_eq!(translated(pattern), Err(why.to_string()), "{pattern}");
        }
    }
}
