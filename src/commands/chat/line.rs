//! What a line of standard input asks for.

/// A line as it is meant.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Nothing,
    Message(&'a str),
    Reset,
    Seed(u64),
    Help,
    Quit,
    /// A command that cannot be followed, and why.
    Unknown(String),
}

/// What `/help` prints.
pub const HELP: &str = "\
/reset   forget the conversation
/seed N  draw by this seed from now on
/quit    end, as the end of input does
/help    show this
Ctrl-C ends an answer, and the program where there is none. A message that begins with a / has a blank before it.";

impl Line<'_> {
    /// Reads a line, without its end.
    pub fn of(line: &str) -> Line<'_> {
        let Some(command) = line.strip_prefix('/') else {
            return if line.trim().is_empty() { Line::Nothing } else { Line::Message(line) };
        };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match (name, rest.trim()) {
            ("reset", "") => Line::Reset,
            ("help", "") => Line::Help,
            ("quit", "") => Line::Quit,
            ("seed", number) => match number.parse() {
                Ok(seed) => Line::Seed(seed),
                Err(_) => Line::Unknown("give /seed a whole number from 0 on, as in /seed 7".into()),
            },
            ("reset" | "help" | "quit", _) => Line::Unknown(format!("/{name} stands alone")),
            _ => {
                let name = crate::error::printable(name);
                Line::Unknown(format!("no command is called /{name}; /help lists them"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        assert_eq!(Line::of("Hello /reset"), Line::Message("Hello /reset"));
        assert_eq!(Line::of(" /etc"), Line::Message(" /etc"));
        assert_eq!([Line::of(""), Line::of("  ")], [Line::Nothing, Line::Nothing]);
        assert_eq!([Line::of("/reset"), Line::of("/quit "), Line::of("/help")], [Line::Reset, Line::Quit, Line::Help]);
        assert_eq!([Line::of("/seed 7"), Line::of("/seed  8 ")], [Line::Seed(7), Line::Seed(8)]);
    }

    #[test]
    fn what_cannot_be_followed_is_said() {
        let says = |line: &str| match Line::of(line) {
            Line::Unknown(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(says("/rest"), "no command is called /rest; /help lists them");
        assert_eq!(says("/"), "no command is called /; /help lists them");
        assert_eq!(says("/seed"), "give /seed a whole number from 0 on, as in /seed 7");
        assert_eq!(says("/seed -1"), says("/seed"));
        assert_eq!(says("/reset all"), "/reset stands alone");
    }
}
