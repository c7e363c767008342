//! Whether a peer's times are what the protocol asks for, and can be true.

use serde_json::Value;

use crate::protocol::{Plan, samples_within_cap};
use crate::record::ceilings::{HEADROOM, ceilings};
use crate::record::rows::ResultRow;
use crate::record::run::Run;
use crate::spec::Spec;
use crate::statistics::median;

/// How much slower than the median of its samples a peer may have been while it warmed up, when it was decided how many
/// samples fit the cap.
const SLOWER_BEFORE: f64 = 1.5;

/// The times in nanoseconds, and why there are fewer than the spec asks for ("" where there are not); or what is wrong
/// with them. `row` says what one run of the peer has to do; `typical_ns` is as in [`check_count`].
pub fn check_times(
    spec: &Spec,
    samples_ns: &[Value],
    typical_ns: Option<f64>,
    row: &ResultRow,
    run: &Run,
) -> Result<(Vec<u64>, String), String> {
    let times =
        samples_ns.iter().enumerate().map(|(at, time)| time_of(at, time)).collect::<Result<Vec<u64>, String>>()?;
    let cap = check_count(spec, &times, typical_ns)?;
    check_bounds(&times, row, run)?;
    Ok((times, cap))
}

pub fn time_of(at: usize, time: &Value) -> Result<u64, String> {
    match time.as_u64() {
        Some(ns) if ns > 0 => Ok(ns),
        _ => Err(format!("sample {at} took {time} ns; a time is a whole number of nanoseconds above 0")),
    }
}

/// Why there are fewer samples than the spec asks for, or what is wrong with their number. `typical_ns` is the time of a run while it
/// warmed up, by which the number was chosen; without it the samples themselves have to explain it.
pub fn check_count(spec: &Spec, times: &[u64], typical_ns: Option<f64>) -> Result<String, String> {
    let (there, asked) = (times.len(), spec.samples as usize);
    let wall: Vec<f64> = times.iter().map(|&ns| ns as f64).collect();
    let Some(typical) = median(&wall) else {
        return Err(format!("has no raw samples, the protocol asks for {asked}"));
    };
    if there == asked {
        return Ok(String::new());
    }
    let plan = Plan::of(spec);
    let fitting = samples_within_cap(&plan, typical_ns.unwrap_or(SLOWER_BEFORE * typical)).0 as usize;
    let follows = if typical_ns.is_some() { there == fitting } else { (fitting..asked).contains(&there) };
    if !follows {
        let cap = spec.arm_cap_s;
        return Err(format!(
            "has {there} raw samples, the protocol asks for {asked} (fewer only where they would take over {cap} s)"
        ));
    }
    Ok(format!("{there} of {asked} samples, since more would take over {} s", spec.arm_cap_s))
}

/// No run is faster than memory and arithmetic allow, by what the arms' run measured of this device.
fn check_bounds(times: &[u64], row: &ResultRow, run: &Run) -> Result<(), String> {
    for ceiling in ceilings(&run.cases, &run.results) {
        let Some(per_s) = ceiling.per_s else {
            let (controls, what) = (ceiling.controls, ceiling.what);
            return Err(format!("{} has no timed control {controls} that bounds its {what}", run.path.display()));
        };
        for (at, &ns) in times.iter().enumerate() {
            if let Some(rate) = ceiling.implausible(row, ns as f64) {
                let what = ceiling.what;
                return Err(format!(
                    "sample {at} took {ns} ns, which is implausible: {rate:.3e} {what} per second, more than {HEADROOM} \
                     times the {per_s:.3e} that the run measured"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_samples_have_to_be_explained_by_the_pace_they_were_chosen_by() {
        let spec = Spec::parse(include_str!("../../experiments/browser.toml"), "browser.toml").unwrap();
        let times = [140_000_000; 5];
        let refused = "has 5 raw samples, the protocol asks for 15 (fewer only where they would take over 3 s)";
        assert_eq!(check_count(&spec, &times, None), Err(refused.into()), "five of 140 ms are less than half a second");
        assert_eq!(check_count(&spec, &times, Some(1.5e8)), Err(refused.into()), "as are fifteen of 150 ms");
        let capped = "5 of 15 samples, since more would take over 3 s";
        assert_eq!(check_count(&spec, &times, Some(7e8)), Ok(capped.into()));
        assert!(check_count(&spec, &times[..4], Some(7e8)).is_err(), "four are fewer than the fewest");
        assert!(check_count(&spec, &[700_000_000; 9], Some(7e8)).is_err(), "nine do not follow from 700 ms");
        assert_eq!(check_count(&spec, &[700_000_000; 5], None), Ok(capped.into()));
    }
}
