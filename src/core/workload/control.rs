//! Controls: what a device does with nothing, with memory and with arithmetic alone. Their rows say how large the noise is,
//! what a dispatch costs, and which results cannot be.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::program::{Binding, Blocks, Buffer, Checks, Contents, Dispatch, Kernel, Phase, Policy, Program, one_block};

/// The one case of controls.
pub const CASE: &str = "control";

/// The case of the controls of one part of a run that several GPUs measured, each its own: `control`, `control-2` and so on.
pub fn case_of_part(part: u32) -> String {
    if part <= 1 { CASE.to_owned() } else { format!("{CASE}-{part}") }
}

/// A control, ready to run.
pub struct Control {
    pub arm: &'static str,
    pub policy: Policy,
    /// What is counted, and how much of it one run makes.
    pub unit: &'static str,
    pub units: u64,
    pub program: Program,
    pub blocks: Blocks,
    pub expected: Expected,
    pub multiply_adds: u64,
    pub min_bytes: u64,
}

/// What the output must hold.
pub enum Expected {
    /// The one word of `count`.
    Count(u32),
    /// `destination`, byte for byte.
    Bytes(Arc<Vec<u8>>),
    /// The first words of the output.
    Words(Vec<u32>),
    /// The first values of an output of f32.
    Floats(Vec<f64>),
}

/// Sizes of the controls: a GPU is to work for several milliseconds, beside which submitting and waiting are little. A
/// software device gets less to do, since it has cores for processors.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub workgroup_size: u32,
    pub workgroups: u32,
    /// Of each side of the copy: several times any cache.
    pub copy_bytes: u64,
    pub copies: u32,
    /// Multiply-adds of a chain, loads of a thread.
    pub rounds: u32,
    /// Barriers of a workgroup one after another, and rounds in which workgroups wait for each other.
    pub barriers: u32,
    pub exchanges: u32,
    /// Workgroups that wait for each other: 1 where no two make progress together.
    pub together: u32,
    pub patience: u32,
    pub asks_by_writing: bool,
}

impl Scale {
    /// `binding_bytes` is the device's max_storage_buffer_binding_size, `together` how many workgroups may wait for each other.
    pub fn of(is_software: bool, binding_bytes: u64, together: u32) -> Scale {
        let (workgroup_size, workgroups, copy_bytes, copies, rounds, barriers, exchanges) = if is_software {
            (64, 32, 64 << 20, 1, 4096, 1024, 16)
        } else {
            (256, 2048, 512 << 20, 32, 32768, 16384, 4096)
        };
        Scale {
            workgroup_size,
            workgroups,
            copy_bytes: copy_bytes.min(binding_bytes),
            copies,
            rounds,
            barriers,
            exchanges,
            together: together.min(MOST_TOGETHER),
            patience: if is_software { 1 << 28 } else { 1 << 20 },
            asks_by_writing: is_software,
        }
    }

    fn threads(&self) -> u32 {
        self.workgroup_size * self.workgroups
    }
}

/// Workgroups that wait for each other: as many as the kernels ever have.
const MOST_TOGETHER: u32 = 128;

/// Values of an output that are compared.
const SEEN: u32 = 64;

/// Dispatches of an `empty` run.
const DISPATCHES: u32 = 256;

/// Every control, each once: the last one is repeated as A/A.
pub fn controls(scale: &Scale) -> Vec<Control> {
    let empty = [Policy::WaitEach, Policy::SubmitEach, Policy::OneSubmit].map(empty);
    let barriers = ["workgroup-barrier", "storage-barrier"].map(|arm| barrier(scale, arm));
    let exchange = (scale.together > 1).then(|| exchange(scale));
    let ceilings = [copy(scale), cached_read(scale), fma(scale)];
    empty.into_iter().chain(barriers).chain(exchange).chain(ceilings).collect()
}

fn empty(policy: Policy) -> Control {
    Control {
        arm: "empty",
        policy,
        unit: "dispatch",
        units: u64::from(DISPATCHES),
        program: program("empty", "empty", [], 1, 1, DISPATCHES, [("count", 4, Contents::Zero)]),
        blocks: Blocks::new(),
        expected: Expected::Count(DISPATCHES),
        multiply_adds: 0,
        min_bytes: 0,
    }
}

fn copy(scale: &Scale) -> Control {
    let bytes = scale.copy_bytes;
    let source = Arc::new(noise(bytes));
    let sizes = [("VEC4S", (bytes / 16) as u32), ("THREADS", scale.threads())];
    let buffers = [("source", bytes, Contents::Constant("source".into())), ("destination", bytes, Contents::Poison)];
    Control {
        arm: "copy",
        policy: Policy::OneSubmit,
        unit: "byte",
        units: 2 * bytes * u64::from(scale.copies),
        program: program("copy", "copy", sizes, scale.workgroup_size, scale.workgroups, scale.copies, buffers),
        blocks: one_block("source", source.clone()),
        expected: Expected::Bytes(source),
        multiply_adds: 0,
        min_bytes: 2 * bytes * u64::from(scale.copies),
    }
}

/// Bytes of the buffer that is read over and over: within the fastest cache of any processor.
const CACHED_BYTES: u32 = 8 << 10;

/// `STRIDE` of the shader.
const CACHED_STRIDE: u32 = 40;

fn cached_read(scale: &Scale) -> Control {
    let vec4s = CACHED_BYTES / 16;
    let words: Vec<f32> = (0..CACHED_BYTES / 4).map(|index| (index % 61) as f32 / 64.0).collect();
    let sizes = [("VEC4S", vec4s), ("LOADS", scale.rounds)];
    let buffers = [
        ("source", u64::from(CACHED_BYTES), Contents::Constant("source".into())),
        ("sums", 4 * u64::from(scale.threads()), Contents::Poison),
    ];
    let sum_of = |thread: u32| -> f64 {
        let vec4 = |load: u32| (thread + load * CACHED_STRIDE) % vec4s;
        let read = |load: u32| (0..4).map(|j| f64::from(words[(4 * vec4(load) + j) as usize])).sum::<f64>();
        // After as many loads as there are vec4s a thread begins again; sums of 64ths are exact.
        let read_all = |loads: u32| (0..loads).map(read).sum::<f64>();
        f64::from(scale.rounds / vec4s) * read_all(vec4s) + read_all(scale.rounds % vec4s)
    };
    let bytes = 16 * u64::from(scale.threads()) * u64::from(scale.rounds);
    Control {
        arm: "cached-read",
        policy: Policy::OneSubmit,
        unit: "byte",
        units: bytes,
        program: program("cached_read", "cached_read", sizes, scale.workgroup_size, scale.workgroups, 1, buffers),
        blocks: one_block("source", Arc::new(bytemuck::cast_slice(&words).to_vec())),
        expected: Expected::Floats((0..SEEN).map(sum_of).collect()),
        multiply_adds: 0,
        min_bytes: bytes,
    }
}

fn fma(scale: &Scale) -> Control {
    // Factor 1/2 and three starting points; every chain x -> x / 2 + 1 ends at 2.
    let start: Vec<f32> = [[0.5; 4], [1.5; 4], [2.25; 4], [3.0; 4]].concat();
    let buffers =
        [("start", 64, Contents::Constant("start".into())), ("ends", 4 * u64::from(scale.threads()), Contents::Poison)];
    let multiply_adds = 16 * u64::from(scale.threads()) * u64::from(scale.rounds);
    let sizes = [("ROUNDS", scale.rounds)];
    Control {
        arm: "fma",
        policy: Policy::OneSubmit,
        unit: "multiply-add",
        units: multiply_adds,
        program: program("fma", "multiply_add", sizes, scale.workgroup_size, scale.workgroups, 1, buffers),
        blocks: one_block("start", Arc::new(bytemuck::cast_slice(&start).to_vec())),
        expected: Expected::Floats(vec![16.0 * 2.0; SEEN as usize]),
        multiply_adds,
        min_bytes: 0,
    }
}

/// One workgroup whose threads pass values round.
fn barrier(scale: &Scale, arm: &'static str) -> Control {
    let threads = scale.workgroup_size;
    let buffers = [("values", 8 * u64::from(threads), Contents::Zero)];
    let mut program = program("barrier", &arm.replace('-', "_"), [("ROUNDS", scale.barriers)], threads, 1, 1, buffers);
    program.kernels[0].workgroup_bytes = 8 * u64::from(threads);
    Control {
        arm,
        policy: Policy::OneSubmit,
        unit: "barrier",
        units: u64::from(scale.barriers),
        program,
        blocks: Blocks::new(),
        expected: Expected::Words((0..threads.min(SEEN)).map(|thread| (thread + scale.barriers) % threads).collect()),
        multiply_adds: 0,
        min_bytes: 0,
    }
}

/// Words of a cache line of 128 bytes.
const CACHE_LINE_WORDS: u32 = 32;

/// Workgroups that read one word of each other in every round.
fn exchange(scale: &Scale) -> Control {
    let Scale { workgroup_size, exchanges, together, .. } = *scale;
    let sizes = [
        ("ROUNDS", exchanges),
        ("WORKGROUPS", together),
        ("PATIENCE", scale.patience),
        ("ASK_BY_WRITING", u32::from(scale.asks_by_writing)),
        ("APART", CACHE_LINE_WORDS),
    ];
    let threads = together * workgroup_size;
    let buffers = [
        ("slots", 8 * u64::from(together * CACHE_LINE_WORDS), Contents::Zero),
        ("sums", 4 * u64::from(threads), Contents::Poison),
    ];
    let mut program = program("exchange", "exchange", sizes, workgroup_size, together, 1, buffers);
    program.kernels[0].workgroups_together = together;
    let sum_of = |thread: u32| (0..exchanges).map(|round| round + thread).sum::<u32>();
    let sums = 0..threads.min(SEEN);
    Control {
        arm: "exchange",
        policy: Policy::OneSubmit,
        unit: "round",
        units: u64::from(exchanges),
        program,
        blocks: Blocks::new(),
        expected: Expected::Words(sums.map(|thread| if thread < together { sum_of(thread) } else { 0 }).collect()),
        multiply_adds: 0,
        min_bytes: 0,
    }
}

/// A program of one kernel over all its buffers, `repeat` times; the last buffer is the output.
fn program<const SIZES: usize, const BUFFERS: usize>(
    file: &str,
    entry: &str,
    sizes: [(&str, u32); SIZES],
    workgroup_size: u32,
    workgroups: u32,
    repeat: u32,
    buffers: [(&str, u64, Contents); BUFFERS],
) -> Program {
    let mut constants: BTreeMap<String, f64> =
        sizes.iter().map(|&(name, size)| (name.to_string(), f64::from(size))).collect();
    if file != "empty" {
        constants.insert("WORKGROUP_SIZE".into(), f64::from(workgroup_size));
    }
    let output = buffers[BUFFERS - 1].0.to_string();
    let buffers: Vec<Buffer> =
        buffers.into_iter().map(|(name, bytes, contents)| Buffer { name: name.into(), bytes, contents }).collect();
    let bindings = (0..BUFFERS).map(|buffer| Binding::whole(buffer, &buffers[buffer])).collect();
    Program {
        name: file.into(),
        kernels: vec![Kernel {
            shader: format!("control/{file}.wgsl"),
            entry: entry.into(),
            constants,
            workgroup_size,
            workgroup_bytes: 0,
            subgroup_size: 0,
            workgroups_together: 1,
            checks: Checks::Bounds,
        }],
        phases: vec![Phase {
            name: "run".into(),
            repeat,
            dispatches: vec![Dispatch { kernel: 0, bindings, workgroups }],
        }],
        outputs: vec![output],
        buffers,
    }
}

/// Bytes that do not compress: a linear congruential sequence (Knuth's MMIX constants), as f32 in [1, 2) so that a copy
/// moves ordinary numbers.
fn noise(bytes: u64) -> Vec<u8> {
    let mut state = 1u64;
    let words: Vec<u32> = (0..bytes / 4)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            0x3f80_0000 | (state >> 41) as u32
        })
        .collect();
    bytemuck::cast_slice(&words).to_vec()
}

impl Control {
    /// Barriers that a thread meets in one run, and times that workgroups wait for each other: what some controls count.
    pub fn barriers_and_rounds(&self) -> (u64, u64) {
        match self.unit {
            "barrier" => (self.units, 0),
            // Each round has a barrier of its own.
            "round" => (self.units, self.units),
            _ => (0, 0),
        }
    }

    /// Largest error of what came back in the output, relative to what was expected; none where it is NaN or missing.
    pub fn error(&self, output: &[u8]) -> Option<f64> {
        match &self.expected {
            Expected::Count(count) => Some(if output == count.to_le_bytes() { 0.0 } else { 1.0 }),
            Expected::Bytes(bytes) => Some(if output == bytes.as_slice() { 0.0 } else { 1.0 }),
            Expected::Words(words) => Some(if output.starts_with(bytemuck::cast_slice(words)) { 0.0 } else { 1.0 }),
            Expected::Floats(values) => {
                let floats: Vec<f32> = bytemuck::pod_collect_to_vec(output);
                if floats.iter().any(|float| !float.is_finite()) || floats.len() < values.len() {
                    return None;
                }
                let pairs = floats.iter().zip(values);
                Some(pairs.map(|(&float, value)| (f64::from(float) - value).abs() / value.abs()).fold(0.0, f64::max))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_reads_add_up_to_their_loads_one_by_one() {
        let scale = Scale { rounds: 1300, ..Scale::of(true, 0, 1) };
        let word = |index: u32| f64::from(index % 61) / 64.0;
        let load =
            |thread: u32, load: u32| (0..4).map(|j| word((thread + load * CACHED_STRIDE) % 512 * 4 + j)).sum::<f64>();
        let sums: Vec<f64> = (0..SEEN).map(|thread| (0..scale.rounds).map(|round| load(thread, round)).sum()).collect();
        assert!(matches!(cached_read(&scale).expected, Expected::Floats(floats) if floats == sums));
    }
}
