//! What two runs say of the claims, as text.

use super::text_table::aligned;
use crate::analysis::agreement::{Agreement, Claimed, Ratio, claims, common};
use crate::paper::print::Print;
use crate::record::run::Run;
use crate::statistics::Interval;

/// The numbers that claims rest on in both runs, and the verdict on each claim; a line that says so where none rests on these.
pub fn text(a: &Run, b: &Run) -> String {
    let claims = claims(a, b);
    if claims.is_empty() {
        return "no claim can be judged on the cases that both have\n".to_owned();
    }
    let cases = common(a, b).iter().filter(|case| case.workload != "control").count();
    let rows: Vec<[String; 4]> = claims
        .iter()
        .map(|claim| {
            let [of_a, of_b] = claim.verdicts.map(|verdict| verdict.wording().to_owned());
            [claim.id.to_owned(), of_a, of_b, said(&claim.agreement, ["in A", "in B"])]
        })
        .collect();
    let mut text = String::new();
    let reached_or_not = ["reaches A", "does not reach A"];
    let ratios: Vec<[String; 6]> = claims.iter().flat_map(|claim| ratio_rows(claim, reached_or_not)).collect();
    if !ratios.is_empty() {
        text += &aligned(["claim", "case", "baseline", "A [95%]", "B [95%]", "B's interval"], &ratios, 3..5);
        let reached: Vec<bool> = claims.iter().flat_map(|claim| &claim.ratios).filter_map(Ratio::is_reached).collect();
        let count = reached.iter().filter(|reached| **reached).count();
        text += &format!("B's interval reaches what A measured in {count} of {}\n\n", reached.len());
    }
    text += &format!("claims, judged on what both have: {cases} {}\n", if cases == 1 { "case" } else { "cases" });
    text += &aligned(["claim", "A", "B", ""], &rows, 0..0);
    text += &format!("{}\n", tally(&claims));
    text
}

/// `sides` says where each run is, such as `in A`.
pub fn said(agreement: &Agreement, sides: [&str; 2]) -> String {
    match agreement {
        Agreement::Same => "same verdict".to_owned(),
        Agreement::Other => "other verdict".to_owned(),
        Agreement::MissingIn(side) => format!("cannot tell: not measured {}", sides[*side]),
        Agreement::CannotTell(why) => format!("cannot tell: {why}"),
    }
}

/// How many there are of each.
pub fn tally(claims: &[Claimed]) -> String {
    let count = |is: fn(&Agreement) -> bool| claims.iter().filter(|claim| is(&claim.agreement)).count();
    format!(
        "same verdict: {}, other verdict: {}, cannot tell: {}",
        count(|agreement| *agreement == Agreement::Same),
        count(|agreement| *agreement == Agreement::Other),
        count(|agreement| matches!(agreement, Agreement::MissingIn(_) | Agreement::CannotTell(_)))
    )
}

/// A row for each ratio of a claim; the words say whether B's interval reaches what A measured, and that it does not.
pub fn ratio_rows(claim: &Claimed, [reached, missed]: [&'static str; 2]) -> impl Iterator<Item = [String; 6]> {
    // Spaces that do not break are for paper.
    let row = move |ratio: &Ratio| {
        let print = |value: f64| Print::of(ratio.unit).show(value).replace('\u{a0}', "");
        let shown = |Interval { low, mid, high }: Interval| match low == high {
            true => print(mid),
            false => format!("{} [{}, {}]", print(mid), print(low), print(high)),
        };
        let answer = ratio.is_reached().map_or("", |is_reached| if is_reached { reached } else { missed });
        let Ratio { case, baseline, a, b, .. } = ratio;
        [claim.id.to_owned(), case.clone(), (*baseline).to_owned(), shown(*a), shown(*b), answer.to_owned()]
    };
    claim.ratios.iter().map(row)
}
