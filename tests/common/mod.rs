//! How tests that run decoding on a device tune an arm for it.

use onedispatch::device::Gpu;
use onedispatch::measure::decode_tuning::waiting;
use onedispatch::workload::decode::{Algorithm, Tuning};

/// Two workgroups where an arm has several, each of `workgroup_size` threads, or as many as the arm ever has; every token's logits
/// are kept.
pub fn tuning(gpu: &Gpu, algorithm: Algorithm, workgroup_size: u32, capacity: u32) -> Tuning {
    let about = algorithm.about();
    let largest = about.workgroup_sizes.iter().copied().max().unwrap_or(1);
    Tuning {
        workgroups: if about.is_spread { 2 } else { 1 },
        waiting: waiting(gpu.info.is_software),
        subgroup_size: gpu.info.subgroup_min_size,
        keep_logits: true,
        ..Tuning::of(workgroup_size.min(largest), capacity)
    }
}
