//! Which GPUs there are, and opening one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use crate::device_info::Device;
use crate::error::{Error, Result};
use crate::program::{Block, Kernel};

/// An open device. Errors that wgpu reports outside of a call (a lost device, a rejected command) are kept in `faults` and
/// fail the run that they belong to.
pub struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub info: Device,
    faults: Arc<Mutex<Vec<String>>>,
    /// Pipelines made so far: a kernel is compiled once, however many programs use it.
    pub(super) pipelines: Mutex<Vec<(Kernel, wgpu::ComputePipeline)>>,
    /// Constants that are on the device already, each as long as its block is held.
    pub(super) constants: Mutex<Vec<(Weak<dyn Block>, wgpu::Buffer)>>,
    /// As [`Gpu::workgroups_together`], once it was asked for.
    pub(super) together: OnceLock<u32>,
}

/// Features used where a device has them.
const WANTED: wgpu::Features = wgpu::Features::SUBGROUP.union(wgpu::Features::TIMESTAMP_QUERY);

pub const NO_ADAPTER: &str = "no GPU and no software Vulkan device was found; install a GPU driver with Vulkan, or on Debian \
     a software device with `scripts/software-vulkan.sh`";

/// Every adapter, each once: hardware first, in the order that the system lists them.
pub fn adapters() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

/// An adapter as it is recorded.
pub fn describe(adapter: &wgpu::Adapter) -> Device {
    let info = adapter.get_info();
    let features = adapter.features();
    let mut names: Vec<String> = features.iter_names().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    Device {
        name: info.name,
        vendor: format!("{:#06x}", info.vendor),
        device: format!("{:#06x}", info.device),
        backend: info.backend.to_string(),
        device_type: format!("{:?}", info.device_type),
        is_software: info.device_type == wgpu::DeviceType::Cpu,
        driver: info.driver,
        driver_info: info.driver_info,
        subgroup_min_size: if features.contains(wgpu::Features::SUBGROUP) { info.subgroup_min_size } else { 0 },
        subgroup_max_size: if features.contains(wgpu::Features::SUBGROUP) { info.subgroup_max_size } else { 0 },
        timestamp_period_ns: 0.0,
        features: names,
        limits: compute_limits(&adapter.limits()),
    }
}

/// The limits that a compute program can meet, by wgpu's names.
fn compute_limits(limits: &wgpu::Limits) -> BTreeMap<String, u64> {
    macro_rules! named {
        ($($limit:ident),* $(,)?) => {
            [$((stringify!($limit).to_string(), u64::from(limits.$limit))),*].into()
        };
    }
    named![
        max_bind_groups,
        max_bindings_per_bind_group,
        max_buffer_size,
        max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x,
        max_compute_workgroup_storage_size,
        max_compute_workgroups_per_dimension,
        max_storage_buffer_binding_size,
        max_storage_buffers_per_shader_stage,
        min_storage_buffer_offset_alignment,
    ]
}

/// As [`adapters`], one at least.
fn some_adapters() -> Result<Vec<wgpu::Adapter>> {
    let adapters = adapters();
    if adapters.is_empty() { Err(Error::input(NO_ADAPTER)) } else { Ok(adapters) }
}

/// The place of the adapter of this number, or whose name contains `name`, whatever the case.
fn place(adapters: &[wgpu::Adapter], name: &str) -> Result<usize> {
    if let Some(index) = name.parse().ok().filter(|&index: &usize| index < adapters.len()) {
        return Ok(index);
    }
    let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    let listing = |places: &[usize]| places.iter().map(|&at| format!("`{}`", names[at])).collect::<Vec<_>>().join(", ");
    let all: Vec<usize> = (0..names.len()).collect();
    // It is part of every name.
    if name.is_empty() {
        return Err(Error::input(format!("an adapter's name is empty; there are {}", listing(&all))));
    }
    let wanted = name.to_lowercase();
    let such = |is_such: &dyn Fn(String) -> bool| -> Vec<usize> {
        (0..names.len()).filter(|&at| is_such(names[at].to_lowercase())).collect()
    };
    let matching = such(&|name| name.contains(&wanted));
    match (&matching[..], &such(&|name| name == wanted)[..]) {
        ([], _) => Err(Error::input(format!("no adapter's name contains `{name}`; there are {}", listing(&all)))),
        ([index], _) | (_, [index]) => Ok(*index),
        _ => Err(Error::input(format!(
            "several adapters' names contain `{name}`: {}; give more of one, or its number in `onedispatch devices`",
            listing(&matching)
        ))),
    }
}

/// Opens several adapters: those of a list of names or numbers as [`Gpu::open`] takes them, or `all`, which are those of hardware; where
/// there is none, those of software.
pub fn open_several(names: &str) -> Result<Vec<Gpu>> {
    let adapters = some_adapters()?;
    let mut places = Vec::new();
    if names == "all" {
        // A GPU may be there once for each backend: by that of the first, each is there once.
        let kind = |adapter: &wgpu::Adapter| {
            let info = adapter.get_info();
            (info.device_type == wgpu::DeviceType::Cpu, info.backend)
        };
        places.extend((0..adapters.len()).filter(|&at| kind(&adapters[at]) == kind(&adapters[0])));
    }
    for name in names.split(',').filter(|_| names != "all") {
        let at = place(&adapters, name)?;
        if places.contains(&at) {
            let known = adapters[at].get_info().name;
            return Err(Error::input(format!("adapter {at}, `{known}`, is named twice; name each once")));
        }
        places.push(at);
    }
    places.into_iter().map(|at| Gpu::of(&adapters[at])).collect()
}

impl Gpu {
    /// Opens the adapter whose name contains `name` (or the first one), with all the limits that it has.
    pub fn open(name: Option<&str>) -> Result<Gpu> {
        let adapters = some_adapters()?;
        Gpu::of(&adapters[name.map_or(Ok(0), |name| place(&adapters, name))?])
    }

    /// Opens this adapter.
    pub fn of(adapter: &wgpu::Adapter) -> Result<Gpu> {
        let mut info = describe(adapter);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("onedispatch"),
            required_features: adapter.features() & WANTED,
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Error::input(format!("{}: the device cannot be opened: {error}", info.name)))?;
        let faults = Arc::new(Mutex::new(Vec::new()));
        let uncaptured = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&uncaptured, one_line(&error.to_string()))));
        let lost = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                note(&lost, format!("the device was lost: {}", one_line(&message)));
            }
        });
        if device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            info.timestamp_period_ns = f64::from(queue.get_timestamp_period());
        }
        Ok(Gpu {
            device,
            queue,
            info,
            faults,
            pipelines: Mutex::default(),
            constants: Mutex::default(),
            together: OnceLock::new(),
        })
    }

    /// The first fault that was reported since the last call.
    pub fn take_fault(&self) -> Result<()> {
        let mut faults = self.faults.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match faults.drain(..).next() {
            None => Ok(()),
            Some(fault) => Err(Error::input(format!(
                "{}: {fault}; finished rows are kept, the same command goes on from there",
                self.info.name
            ))),
        }
    }

    /// Lets go of the pipelines made so far.
    pub fn forget_pipelines(&self) {
        self.pipelines.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
    }

    pub fn has_timestamps(&self) -> bool {
        self.info.timestamp_period_ns > 0.0
    }
}

fn note(faults: &Mutex<Vec<String>>, fault: String) {
    faults.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(fault);
}

/// wgpu explains over many lines; the last ones say what is wrong.
pub fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
