//! Numbers as figures print them.

/// `0.5`, `20`, `1k`, `16.4k`, `2M`: at most three significant digits, two below 1.
pub fn short(value: f64) -> String {
    let (scaled, suffix) = scaled(value, 3);
    format!("{}{suffix}", trimmed(scaled))
}

/// A value below 1,000 in `digits` significant digits, and its suffix.
fn scaled(value: f64, digits: usize) -> (f64, &'static str) {
    let value = rounded(value, digits);
    match value.abs() {
        v if v >= 1e9 => (value / 1e9, "G"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    }
}

/// To `digits` significant digits.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}

fn significant(value: f64, digits: usize) -> String {
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    format!("{value:.*}", (digits as i32 - 1 - magnitude).max(0) as usize)
}

/// Something measured, in three significant digits with their zeros: `17.0k`, `1.80k`, `546`.
pub fn rate(value: f64) -> String {
    let (scaled, suffix) = scaled(value, 3);
    format!("{}{suffix}", significant(scaled, 3))
}

/// A measured step's factor, in two significant digits with their zeros: `×3.0`, `×12`, `×0.86`; in two decimals, `×1.04`, where
/// these would say that it is none.
pub fn step(value: f64) -> String {
    if rounded(value, 2) == 1.0 {
        return format!("×{value:.2}");
    }
    let (scaled, suffix) = scaled(value, 2);
    format!("×{}{suffix}", significant(scaled, 2))
}

/// A factor: `×2.18`, `×13.5`, `×458`.
pub fn factor(value: f64) -> String {
    format!("×{}", short(value))
}

/// A share of one as a percentage: `92%`, `0.5%`.
pub fn percent(value: f64) -> String {
    format!("{}%", trimmed(value * 100.0))
}

/// Three significant digits, below 1 two, without trailing zeros.
fn trimmed(value: f64) -> String {
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let text = format!("{value:.*}", (2 - magnitude - i32::from(magnitude < 0)).max(0) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits_at_most() {
        let printed = [0.0, 0.05, 0.6464, 2.184, 13.5, 457.9, 999.7, 1000.0, 16_410.0, 2e6].map(short);
        assert_eq!(printed, ["0", "0.05", "0.65", "2.18", "13.5", "458", "1k", "1k", "16.4k", "2M"]);
        assert_eq!([546.2, 999.7, 1800.4, 16_997.0, 9_995.0].map(rate), ["546", "1.00k", "1.80k", "17.0k", "10.0k"]);
        assert_eq!([0.861, 0.996, 2.98, 9.96, 36.8, 458.0].map(step), ["×0.86", "×1.00", "×3.0", "×10", "×37", "×460"]);
        assert_eq!([0.989, 1.044, 1.06].map(step), ["×0.99", "×1.04", "×1.1"]);
        assert_eq!(factor(66.0), "×66");
        assert_eq!(percent(0.92), "92%");
    }
}
