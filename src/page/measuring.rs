//! How arms are timed, and what their times say.

use onedispatch_core::protocol::{self, Plan};
use onedispatch_core::{digest, statistics};
use wasm_bindgen::prelude::*;

use crate::{Answer, from_json};

/// A warm-up under way; see [`protocol::WarmUp`].
#[wasm_bindgen]
pub struct WarmUp(protocol::WarmUp);

#[wasm_bindgen]
impl WarmUp {
    #[wasm_bindgen(constructor)]
    pub fn new(plan: &str) -> Answer<WarmUp> {
        Ok(WarmUp(protocol::WarmUp::new(&from_json::<Plan>(plan)?)))
    }

    /// Nothing while another run is needed, else the typical time in nanoseconds.
    pub fn add(&mut self, wall_ns: f64) -> Option<f64> {
        self.0.add(wall_ns)
    }
}

/// How many samples fit the cap.
#[wasm_bindgen(js_name = samplesWithinCap)]
pub fn samples_within_cap(plan: &str, typical_ns: f64) -> Answer<u32> {
    Ok(protocol::samples_within_cap(&from_json(plan)?, typical_ns).0)
}

/// Why there are fewer samples than planned; empty where there are not.
#[wasm_bindgen(js_name = whySamplesAreCut)]
pub fn why_samples_are_cut(plan: &str, typical_ns: f64) -> Answer<String> {
    Ok(protocol::samples_within_cap(&from_json(plan)?, typical_ns).1)
}

/// The order in which arms are sampled, arm `i` `counts[i]` times.
#[wasm_bindgen]
pub fn interleaved(plan: &str, counts: &[u32]) -> Answer<Vec<u32>> {
    let order = protocol::interleaved(counts, from_json::<Plan>(plan)?.seed);
    Ok(order.into_iter().map(|arm| arm as u32).collect())
}

/// The middle value, or the mean of the two middle values; nothing of nothing.
#[wasm_bindgen]
pub fn median(values: &[f64]) -> Option<f64> {
    statistics::median(values)
}

/// `[low, mid, high]` of the median of a row's times, `row` being `case/arm/policy/replica`; empty of nothing.
#[wasm_bindgen(js_name = medianInterval)]
pub fn median_interval(values: &[f64], row: &str) -> Vec<f64> {
    let interval = statistics::median_interval(values, digest::seed(row));
    interval.map(|interval| vec![interval.low, interval.mid, interval.high]).unwrap_or_default()
}
