//! The smallest and the largest of a number over cases.

use super::ledger::Ledger;
use super::print::Print;
use crate::analysis::number::Number;
use crate::record::rows::Case;

/// A number, and the case that it is of.
pub type Extreme<'a> = (&'a Case, &'a Number);

pub fn extremes<'a>(numbers: &[Extreme<'a>]) -> Option<(Extreme<'a>, Extreme<'a>)> {
    let by_value = |(_, a): &&Extreme, (_, b): &&Extreme| a.value.total_cmp(&b.value);
    Some((*numbers.iter().min_by(by_value)?, *numbers.iter().max_by(by_value)?))
}

/// `<key>.min` and `<key>.max`, each with `.case`.
pub fn add_range(ledger: &mut Ledger, key: &str, numbers: &[(&Case, &Number)], print: Print) {
    if let Some((least, most)) = extremes(numbers) {
        add_extreme(ledger, &format!("{key}.min"), "smallest", least.0, least.1, print);
        add_extreme(ledger, &format!("{key}.max"), "largest", most.0, most.1, print);
    }
}

pub fn add_extreme(ledger: &mut Ledger, key: &str, which: &str, case: &Case, number: &Number, print: Print) {
    let formula = format!("{which} over cases of {}", number.formula);
    ledger.add(key, &Number { formula: formula.clone(), ..number.clone() }, print);
    let words = match case.workload.as_str() {
        "decode" => {
            format!("D\u{a0}=\u{a0}{}, L\u{a0}=\u{a0}{}, T\u{a0}=\u{a0}{}", case.n_embd, case.n_layer, case.new_tokens)
        }
        _ => case.case.clone(),
    };
    ledger.add_words(&format!("{key}.case"), words, format!("case of the {formula}"), number.cells.clone());
}
