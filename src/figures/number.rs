//! Numbers as figures print them.

/// `0.5`, `20`, `1k`, `16.4k`, `2M`: at most three significant digits, two below 1.
pub fn short(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        // 999.5 would print as 1000
        v if v >= 999.5e6 => (value / 1e9, "G"),
        v if v >= 999.5e3 => (value / 1e6, "M"),
        v if v >= 999.5 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    format!("{}{suffix}", trimmed(scaled))
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
        assert_eq!(factor(66.0), "×66");
        assert_eq!(percent(0.92), "92%");
    }
}
