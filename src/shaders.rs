//! The WGSL files, as they stand under `shaders/`, within the binary.

macro_rules! shaders {
    ($($name:literal),* $(,)?) => {
        /// Every file: its path under `shaders/`, and its source.
        pub const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../shaders/", $name)))),*];
    };
}

shaders![
    "control/barrier.wgsl",
    "control/cached_read.wgsl",
    "control/copy.wgsl",
    "control/empty.wgsl",
    "control/exchange.wgsl",
    "control/fma.wgsl",
    "control/progress.wgsl",
    "decode/attention.wgsl",
    "decode/embed.wgsl",
    "decode/fused_subgroup.wgsl",
    "decode/fused_workgroup.wgsl",
    "decode/linear.wgsl",
    "decode/norm.wgsl",
    "decode/sample.wgsl",
    "rollout/acrobot.wgsl",
    "rollout/cartpole.wgsl",
    "rollout/controls.wgsl",
    "rollout/evolve.wgsl",
    "rollout/mountaincar.wgsl",
    "rollout/nbody.wgsl",
    "rollout/operations.wgsl",
    "rollout/pendulum.wgsl",
    "rollout/pi.wgsl",
    "rollout/portfolio.wgsl",
];

pub fn source(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, source)| *source)
}

/// SHA-256 over the files that a program uses, by name.
pub fn sha256(program: &crate::program::Program) -> String {
    let used: std::collections::BTreeSet<&str> = program.kernels.iter().map(|kernel| kernel.shader.as_str()).collect();
    let listing: String = used
        .into_iter()
        .map(|name| {
            let digest = crate::record::digest::sha256_hex(source(name).unwrap_or_default().as_bytes());
            format!("{digest}  {name}\n")
        })
        .collect();
    crate::record::digest::sha256_hex(listing.as_bytes())
}
