//! What is known of a GPU, and whether a program fits it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::program::{Checks, Program};

/// A GPU as wgpu or a browser reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    pub name: String,
    /// PCI vendor and device numbers, hexadecimal; 0 where the backend has none. Of a browser, the vendor and architecture
    /// that it names.
    pub vendor: String,
    pub device: String,
    /// `vulkan`, `metal`, `dx12`; `webgpu` of a browser.
    pub backend: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `Cpu`, ...
    pub device_type: String,
    /// True for llvmpipe, SwiftShader and their like: for correctness, never for a performance claim.
    pub is_software: bool,
    pub driver: String,
    pub driver_info: String,
    pub subgroup_min_size: u32,
    pub subgroup_max_size: u32,
    /// Of one GPU timestamp tick; 0 where there are none.
    pub timestamp_period_ns: f64,
    /// wgpu feature names, sorted.
    pub features: Vec<String>,
    /// wgpu limits by name.
    pub limits: BTreeMap<String, u64>,
}

/// The backend of a device that a browser describes.
pub const BROWSER: &str = "webgpu";

impl Device {
    /// Why a program cannot run on this device: which limit, what is needed and what there is. `together` is asked where
    /// workgroups wait for each other: how many of them make progress together.
    pub fn objection(&self, program: &Program, together: &dyn Fn() -> u32) -> Option<String> {
        self.fits(program, together).err()
    }

    fn fits(&self, program: &Program, together: &dyn Fn() -> u32) -> Result<(), String> {
        let within = |what: &str, needed: u64, limit: &str| match self.limits.get(limit) {
            Some(there) if needed > *there => Err(format!("{what} needs {needed}, but {limit} is {there}")),
            _ => Ok(()),
        };
        for buffer in &program.buffers {
            let what = format!("the buffer `{}` ({} MiB)", buffer.name, buffer.bytes.div_ceil(1 << 20));
            within(&what, buffer.bytes, "max_buffer_size")?;
            within(&what, buffer.bytes, "max_storage_buffer_binding_size")?;
        }
        for kernel in &program.kernels {
            let name = &kernel.shader;
            let (what, size) = (format!("a workgroup of {name}"), u64::from(kernel.workgroup_size));
            within(&what, size, "max_compute_invocations_per_workgroup")?;
            within(&what, size, "max_compute_workgroup_size_x")?;
            let what = format!("workgroup memory of {name}");
            within(&what, kernel.workgroup_bytes, "max_compute_workgroup_storage_size")?;
            match (kernel.subgroup_size, self.subgroup_min_size) {
                (0, _) => {}
                (_, 0) => return Err(format!("{name} needs subgroups, which the device does not have")),
                (needed, smallest) if needed > smallest => {
                    return Err(format!("{name} needs subgroups of {needed}, the smallest is {smallest}"));
                }
                _ => {}
            }
            let needed = kernel.workgroups_together;
            if needed > 1 && self.backend == BROWSER {
                return Err(format!(
                    "{name} needs workgroups that make progress together, which WebGPU does not promise"
                ));
            }
            if needed > 1 && needed > together() {
                let there = together();
                return Err(format!(
                    "{name} needs {needed} workgroups that make progress together, safe here are {there}"
                ));
            }
            if kernel.checks != Checks::Bounds && self.backend == BROWSER {
                return Err(format!(
                    "{name} is to be compiled with other checks than WebGPU's, which only a native program can ask for"
                ));
            }
        }
        for dispatch in program.phases.iter().flat_map(|phase| &phase.dispatches) {
            within("a dispatch", dispatch.workgroups.into(), "max_compute_workgroups_per_dimension")?;
            within("a kernel", dispatch.bindings.len() as u64, "max_storage_buffers_per_shader_stage")?;
        }
        Ok(())
    }
}
