//! Prices out of a CSV file: a header with the assets' names, and one day a line, oldest first. What is no price, though it is a
//! number, is refused by its line and column: a row's number, a date, a first day in the place of the header.

use crate::error::{Error, Result, printable};

/// Names of columns that tell when, and not how much.
const TIMES: [&str; 5] = ["date", "time", "datetime", "timestamp", "unnamed: 0"];
const MEND: &str = "leave that column out";

/// The traded closes, day by day.
///
/// # Errors
/// One line that names the line and the column of the first cell that is no price; or that there are fewer days than `fewest`.
pub(super) fn closes<const ASSETS: usize>(csv: &str, fewest: usize) -> Result<Vec<[f64; ASSETS]>> {
    let mut lines = (1..).zip(csv.lines());
    let header = lines.next().map_or("", |(_, header)| header.trim_start_matches('\u{feff}'));
    let names: Vec<&str> = header.split(',').map(|name| name.trim().trim_matches('"')).collect();
    let columns = names.len();
    if columns < ASSETS {
        let why = "expected a header with commas between the names of assets, at least";
        return Err(Error::input(format!("line 1 is `{}`; {why} {ASSETS}", printable(header))));
    }
    let named = |column: usize| format!("column {} (`{}`)", column + 1, printable(names[column]));
    if let Some(column) = names[..ASSETS].iter().position(|name| TIMES.contains(&name.to_lowercase().as_str())) {
        return Err(Error::input(format!("line 1, {}: is no asset; {MEND}", named(column))));
    }
    if let Some(column) = names[..ASSETS].iter().position(|name| name.is_empty()) {
        let why = "has no name, as one of row numbers has none; leave it out, or name its asset";
        return Err(Error::input(format!("line 1, column {}: {why}", column + 1)));
    }
    let mut days = Vec::new();
    for (line, text) in lines {
        let cells: Vec<&str> = text.split(',').map(str::trim).collect();
        if cells.len() != columns {
            let count = cells.len();
            return Err(Error::input(format!("line {line}: {count} prices, expected {columns} as in the header")));
        }
        let mut day = [0.0; ASSETS];
        for (column, (price, cell)) in day.iter_mut().zip(&cells).enumerate() {
            let refused = |why: String| Err(Error::input(format!("line {line}, {}: {why}", named(column))));
            *price = match cell.parse::<f64>() {
                Ok(value) if value.is_finite() && value > 0.0 => value,
                _ if cell.is_empty() => {
                    return refused("a price is missing; fill it in, or leave out the day".into());
                }
                // Rows may count from 0.
                Ok(0.0) if days.is_empty() && column == 0 => {
                    return refused(format!(
                        "`0` is no price; expected a number above 0, and {MEND} if it counts rows"
                    ));
                }
                _ => return refused(format!("`{}` is no price; expected a number above 0", printable(cell))),
            };
        }
        days.push(day);
    }
    if days.first().is_some_and(|day| continues(&names, day)) {
        let first = printable(names[0]);
        return Err(Error::input(format!(
            "line 1, column 1: `{first}` is a price; the first line is a header with the names of the assets"
        )));
    }
    if days.len() < fewest {
        return Err(Error::input(format!("{} days, expected at least {fewest}", days.len())));
    }
    for column in 0..ASSETS {
        let cells: Vec<f64> = days.iter().map(|day| day[column]).collect();
        if let Some(what) = no_prices(&cells) {
            return Err(Error::input(format!("line 2, {}: {what}; {MEND}", named(column))));
        }
    }
    Ok(days)
}

/// Whether what stands in the header are prices of the day before: numbers as large as the first day's. Names of assets may be
/// numbers too, but hardly those.
fn continues(names: &[&str], first: &[f64]) -> bool {
    let near =
        |(name, price): (&&str, &f64)| name.parse::<f64>().is_ok_and(|before| (0.5..=2.0).contains(&(before / price)));
    names.iter().zip(first).all(near)
}

/// What numbers are that are no prices.
fn no_prices(cells: &[f64]) -> Option<&'static str> {
    let rises = cells.windows(2).all(|pair| pair[1] > pair[0]);
    if !rises || cells.iter().any(|cell| cell.fract() != 0.0) {
        return None;
    }
    let is_date = |cell: &f64| {
        let date = *cell as u64;
        (19000101..22000101).contains(&date)
            && (1..=12).contains(&(date / 100 % 100))
            && (1..=31).contains(&(date % 100))
    };
    // Since 1970, in seconds or in parts of them, by the hour.
    let is_time = |cell: &f64| *cell > 1e8 && cell % 3600.0 == 0.0;
    match () {
        () if cells.iter().enumerate().all(|(row, cell)| *cell == (row + 1) as f64) => Some("its cells count the rows"),
        () if cells.iter().all(is_date) => Some("its cells are dates"),
        () if cells.iter().all(is_time) => Some("its cells are times"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(header: &str, first: impl Fn(u32) -> String) -> String {
        let rows = (0..30).map(|day| format!("{},100.5,{}\n", first(day), 50 + day % 3)).collect::<String>();
        closes::<3>(&format!("{header}\n{rows}"), 22)
            .map_or_else(|error| error.to_string(), |days| format!("{} days", days.len()))
    }

    #[test]
    fn what_is_no_price_is_named() {
        let ordinary = |day: u32| (100 + day).to_string();
        let lines = [
            fault("A,B,C", ordinary),
            fault("600519,858,1", ordinary),
            fault("99,100.5,49", ordinary),
            fault("row,B,C", |day| (day + 1).to_string()),
            fault("row,B,C", |day| day.to_string()),
            fault(",B,C", ordinary),
            fault("\u{feff}Date,B,C", |_| "1991-07-01".into()),
            fault("A,B,C", |_| "1991-07-01".into()),
            fault("when,B,C", |day| (19910701 + day).to_string()),
            fault("when,B,C", |day| (678326400 + 86400 * day).to_string()),
            fault("A,B,C", |_| "\u{1b}[31m".into()),
            fault("A;B;\u{1b}", ordinary),
            fault("", ordinary),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        30 days
        30 days
        line 1, column 1: `99` is a price; the first line is a header with the names of the assets
        line 2, column 1 (`row`): its cells count the rows; leave that column out
        line 2, column 1 (`row`): `0` is no price; expected a number above 0, and leave that column out if it counts rows
        line 1, column 1: has no name, as one of row numbers has none; leave it out, or name its asset
        line 1, column 1 (`Date`): is no asset; leave that column out
        line 2, column 1 (`A`): `1991-07-01` is no price; expected a number above 0
        line 2, column 1 (`when`): its cells are dates; leave that column out
        line 2, column 1 (`when`): its cells are times; leave that column out
        line 2, column 1 (`A`): `\u{1b}[31m` is no price; expected a number above 0
        line 1 is `A;B;\u{1b}`; expected a header with commas between the names of assets, at least 3
        line 1 is ``; expected a header with commas between the names of assets, at least 3
        ");
    }
}
