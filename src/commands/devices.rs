//! `onedispatch devices`: every adapter, and which arms can run there.

use std::collections::BTreeSet;

use crate::device::Gpu;
use crate::device::adapter::{NO_ADAPTER, adapters, describe};
use crate::error::{Error, Result};
use crate::measure::decode_tuning::tunings;
use crate::output;
use crate::record::manifest::Device;
use crate::workload::decode::model::{Config, Request, Sampling};
use crate::workload::decode::{Arm, Tuning};

#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result<()> {
    let adapters = adapters();
    if adapters.is_empty() {
        return Err(Error::input(NO_ADAPTER));
    }
    for (number, adapter) in adapters.iter().enumerate() {
        output::text(format_args!("{number}: {}", report(&describe(adapter))))?;
        match Gpu::of(adapter) {
            Ok(gpu) => output::line(arms(&gpu))?,
            Err(error) => output::line(format_args!("  cannot be opened: {error}\n"))?,
        }
    }
    Ok(())
}

fn report(device: &Device) -> String {
    let software = if device.is_software { "  (software: for correctness, never for a performance claim)" } else { "" };
    let subgroup = match (device.subgroup_min_size, device.subgroup_max_size) {
        (0, _) => "none".into(),
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min} to {max}"),
    };
    let mut text = format!("{}{software}\n", device.name);
    let lines = [
        ("backend", format!("{}, {}", device.backend, device.device_type)),
        ("driver", format!("{} {}", device.driver, device.driver_info)),
        ("vendor", format!("{}, device {}", device.vendor, device.device)),
        ("subgroup", subgroup),
        ("features", device.features.join(" ")),
    ];
    for (name, value) in lines {
        text += &format!("  {name:<10}{value}\n");
    }
    for (name, value) in &device.limits {
        text += &format!("  {name} = {value}\n");
    }
    text
}

/// Which arms run, judged by a model of n_embd 64: the workgroup sizes that fit, or what stands in the way.
fn arms(gpu: &Gpu) -> String {
    let config = Config {
        vocab_size: 64,
        n_positions: 64,
        n_embd: 64,
        n_head: 2,
        n_layer: 1,
        n_inner: 256,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Default::default(),
        stored: None,
    };
    let request = Request { prompt: vec![0], new_tokens: 64, sampling: Sampling::GREEDY, end_tokens: Vec::new() };
    let mut text = String::new();
    for arm in Arm::all() {
        text += &match tunings(gpu, &config, std::slice::from_ref(&request), arm, 1, false) {
            Err(objection) => format!("  {:<16} does not run: {objection}\n", arm.name()),
            Ok(tunings) => {
                let sizes = |of: fn(&Tuning) -> u32| {
                    let sizes: BTreeSet<u32> = tunings.iter().map(of).collect();
                    sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
                };
                let counts = sizes(|tuning| tuning.workgroups);
                let count = if counts == "1" { String::new() } else { format!("{counts} ") };
                format!(
                    "  {:<16} runs, in {count}workgroups of {}\n",
                    arm.name(),
                    sizes(|tuning| tuning.workgroup_size)
                )
            }
        };
    }
    text
}
