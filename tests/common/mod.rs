//! How tests that run decoding on a device tune an arm for it.

use onedispatch::device::Gpu;
use onedispatch::measure::decode_tuning::waiting;
use onedispatch::workload::decode::{Algorithm, Tuning};

/// Two workgroups where an arm has several, each of `workgroup_size` threads but for the arm of one thread; every token's logits
/// are kept.
pub fn tuning(gpu: &Gpu, algorithm: Algorithm, workgroup_size: u32, capacity: u32) -> Tuning {
    let many = [Algorithm::FusedGrid, Algorithm::Stepwise].contains(&algorithm);
    Tuning {
        workgroups: if many { 2 } else { 1 },
        waiting: waiting(gpu.info.is_software),
        subgroup_size: gpu.info.subgroup_min_size,
        keep_logits: true,
        ..Tuning::of(if algorithm == Algorithm::FusedScalar { 1 } else { workgroup_size }, capacity)
    }
}
