//! CSV as [`Table::to_csv`](super::table::Table::to_csv) writes it, read in one pass, and nothing else.
//!
//! What differs in a byte is left to polars, which is slower and says what is wrong.

/// The cells of each record, the header's first. `None` where it is not written so: LF line ends, the last one included;
/// quotes where a cell holds a comma, a quote or a line end, and nowhere else; each record as long as the header.
pub fn read(csv: &str) -> Option<Vec<Vec<String>>> {
    let mut records: Vec<Vec<String>> = Vec::new();
    let mut record = Vec::new();
    let mut rest = csv;
    while !rest.is_empty() {
        let (cell, after) = if rest.starts_with('"') { quoted(rest)? } else { plain(rest)? };
        record.push(cell);
        match after.as_bytes().first()? {
            b',' => {}
            b'\n' => {
                if records.first().is_some_and(|header| header.len() != record.len()) {
                    return None;
                }
                let columns = record.len();
                records.push(std::mem::replace(&mut record, Vec::with_capacity(columns)));
            }
            _ => return None,
        }
        rest = &after[1..];
    }
    // A comma at the very end has a cell after it.
    (record.is_empty() && !records.is_empty()).then_some(records)
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b',' | b'"' | b'\n' | b'\r')
}

/// A cell without quotes, and what follows it.
fn plain(text: &str) -> Option<(String, &str)> {
    let end = text.bytes().position(is_special)?;
    Some((text[..end].to_owned(), &text[end..]))
}

/// A cell in quotes, a quote in it doubled, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut cell = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let (part, after) = rest.split_once('"')?;
        cell += part;
        match after.strip_prefix('"') {
            Some(after) => {
                cell.push('"');
                rest = after;
            }
            None => return cell.bytes().any(is_special).then_some((cell, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::rows::Case;
    use crate::record::table::{Row, Table};
    use proptest::prelude::*;

    #[test]
    fn only_what_is_written_so_is_read() {
        assert_eq!(
            read("a,b\n1,\"x\"\"\n\"\n"),
            Some(vec![vec!["a".into(), "b".into()], vec!["1".into(), "x\"\n".into()]])
        );
        assert_eq!(read("a,b\n,\n").unwrap()[1], ["", ""]);
        for csv in ["", "a,b", "a,b\n1", "a,b\n1,2", "a,b\n1,", "a,b\n1\n", "a,b\n1,2,3\n", "a,b\n\n", "a,b\r\n1,2\r\n"]
        {
            assert_eq!(read(csv), None, "{csv:?}");
        }
        for cell in ["\"x\"", "\"\"", "x\"y", "\"x,\"y", "\"x,", "x\ry"] {
            assert_eq!(read(&format!("a,b\n{cell},2\n")), None, "{cell}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(cells in prop::collection::vec(prop::collection::vec("[a-b=,\"\\\\\n\r é]{0,4}", Case::COLUMNS.len()), 0..4)) {
            let table = Table { columns: Case::COLUMNS, rows: cells.clone() };
            let read = read(std::str::from_utf8(&table.to_csv(true)).unwrap()).unwrap();
            prop_assert_eq!(&read[0], Case::COLUMNS);
            prop_assert_eq!(&read[1..], &cells);
        }

        #[test]
        fn what_is_read_was_written_so(text in "case(,[ab]){0,2}\n([a,\"\n\r]{0,6}\n){0,3}") {
            let columns: [&'static [&'static str]; 4] = [&[], &["case"], &["case", "a"], &["case", "a", "b"]];
            if let Some(mut records) = read(&text) {
                let header = records.remove(0);
                let Some(columns) = columns.into_iter().find(|columns| *columns == header) else { return Ok(()) };
                // A record of one empty cell is an empty line, which no table here has.
                if columns.len() > 1 {
                    let table = Table { columns, rows: records };
                    prop_assert_eq!(String::from_utf8(table.to_csv(true)).unwrap(), text);
                }
            }
        }
    }
}
