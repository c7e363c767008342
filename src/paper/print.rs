//! How numbers look in the text. A number is rounded here and nowhere else.

use crate::analysis::published::Unit;

/// The ways a number is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// A whole number, thousands separated: `1,024`.
    Count,
    /// Three significant digits, thousands separated: `78,200`, `42.3`, `0.912`.
    Significant,
    /// A share with one decimal, or two significant digits below one per cent: `92.0%`, `0.13%`.
    Percent,
    /// Two significant digits and a power of ten: `3.0 × 10⁻⁶`.
    Power,
    /// A correlation with three decimals: `1.000`.
    Correlation,
}

impl Print {
    /// How the numbers of a claim are printed.
    pub fn of(unit: Unit) -> Print {
        match unit {
            Unit::Factor => Print::Significant,
            Unit::Share => Print::Percent,
            Unit::TokensPerS | Unit::RoundTrips => Print::Count,
            Unit::Error => Print::Power,
            Unit::Correlation => Print::Correlation,
        }
    }

    pub fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return "none".to_owned();
        }
        match self {
            Print::Count => thousands(value.round()),
            Print::Significant => significant(value),
            Print::Percent => percent(value * 100.0),
            Print::Power => power(value),
            Print::Correlation => format!("{value:.3}").replace('-', "−"),
        }
    }

    /// As someone else published it, who rounded it already: `66` and `13.5`, not `66.0`; `92%`, not `92.0%`.
    pub fn short(self, value: f64) -> String {
        match self {
            Print::Significant => format!("{value}"),
            Print::Percent => format!("{}%", value * 100.0),
            Print::Count | Print::Power | Print::Correlation => self.show(value),
        }
    }
}

fn percent(percents: f64) -> String {
    let decimals = match percents.abs() {
        0.0 => 0,
        small if small < 0.995 => (1.0 - small.log10().floor()) as usize,
        _ => 1,
    };
    format!("{percents:.decimals$}%").replace('-', "−")
}

fn significant(value: f64) -> String {
    // The exponent after rounding: 9.996 has three digits as 10.0, not as 9.99 or 10.00.
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    let exponent = if rounded == 0.0 { 0 } else { rounded.abs().log10().floor() as i32 };
    if exponent >= 2 {
        thousands(rounded)
    } else {
        format!("{rounded:.*}", (2 - exponent) as usize).replace('-', "−")
    }
}

fn thousands(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let mut printed = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            printed.push(',');
        }
        printed.push(digit);
    }
    if whole < 0.0 { format!("−{printed}") } else { printed }
}

fn power(value: f64) -> String {
    let text = format!("{value:.1e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let raised: String = exponent
        .chars()
        .map(|sign| match sign {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            _ => sign.to_digit(10).and_then(|digit| char::from_u32(0x2070 + digit)).unwrap_or(sign),
        })
        .collect();
    if value == 0.0 { "0".to_owned() } else { format!("{digits}\u{a0}×\u{a0}10{raised}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_reader_expects() {
        assert_eq!(Print::Count.show(1024.0), "1,024");
        assert_eq!(Print::Count.show(123456789.0), "123,456,789");
        assert_eq!(Print::Significant.show(78214.9), "78,200");
        assert_eq!(Print::Significant.show(999.6), "1,000");
        assert_eq!(Print::Significant.show(9.996), "10.0");
        assert_eq!(Print::Significant.show(42.345), "42.3");
        assert_eq!(Print::Significant.show(0.09124), "0.0912");
        assert_eq!(Print::Significant.show(0.0), "0.00");
        assert_eq!(Print::Percent.show(0.91849), "91.8%");
        assert_eq!(Print::Percent.show(0.00126), "0.13%");
        assert_eq!(Print::Percent.show(0.00996), "1.0%");
        assert_eq!(Print::Percent.show(0.0), "0%");
        assert_eq!(Print::Percent.show(-0.021), "−2.1%");
        assert_eq!(Print::Power.show(3e-6), "3.0\u{a0}×\u{a0}10⁻⁶");
        assert_eq!(Print::Power.show(1.3e-10), "1.3\u{a0}×\u{a0}10⁻¹⁰");
        assert_eq!(Print::Power.show(0.0), "0");
        assert_eq!([66.0, 13.5].map(|value| Print::Significant.short(value)), ["66", "13.5"]);
        assert_eq!(Print::Percent.short(0.92), "92%");
    }
}
