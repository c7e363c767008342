//! Which of several programs, that differ in sizes alone, is the fastest on this device: each is tried in short runs, once.

use std::time::{Duration, Instant};

use super::trials::Trials;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::device::pipeline;
use crate::error::Result;
use crate::program::{Blocks, Policy, Program};

/// How long a program is tried in each round; its fastest run counts.
const ROUND_NS: f64 = 30e6;

/// Rounds end when for so long no program has got faster by GAIN, but not before two: a GPU that just woke up is slower, and a
/// driver may run code that it compiled in haste, until better code is ready (NVIDIA's 580 after some 0.15 s, at a third of the time).
const QUIET: Duration = Duration::from_millis(500);
const GAIN: f64 = 0.03;

/// When they end at the latest.
const LONGEST: Duration = Duration::from_secs(20);

/// How programs are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// All in turn, so that none is the only one that ran on a GPU which just woke up.
    Interleaved,
    /// One after the other, where the buffers of one may leave no room for those of another.
    OneByOne,
}

pub struct Calibrator<'a> {
    gpu: &'a Gpu,
    trials: Trials,
}

impl<'a> Calibrator<'a> {
    /// One that knows what the user's programs learnt before.
    pub fn new(gpu: &'a Gpu) -> Calibrator<'a> {
        Calibrator::knowing(gpu, Trials::of_user())
    }

    pub fn knowing(gpu: &'a Gpu, trials: Trials) -> Calibrator<'a> {
        Calibrator { gpu, trials }
    }

    /// The choice whose program is the fastest; none where there is none. One that has no other is not tried.
    pub fn fastest<T>(
        &mut self,
        arm: &str,
        choices: Vec<(T, Program)>,
        blocks: &Blocks,
        turns: Turns,
    ) -> Result<Option<T>> {
        if choices.len() < 2 {
            return Ok(choices.into_iter().next().map(|(choice, _)| choice));
        }
        Ok(self.rank(arm, choices, blocks, turns)?.into_iter().next().map(|(choice, _)| choice))
    }

    /// The choices, the fastest first, each with the nanoseconds that its program took.
    pub fn rank<T>(
        &mut self,
        arm: &str,
        choices: Vec<(T, Program)>,
        blocks: &Blocks,
        turns: Turns,
    ) -> Result<Vec<(T, f64)>> {
        let mut unknown: Vec<&Program> = Vec::new();
        for (_, program) in &choices {
            // Other sizes are not always another program.
            if self.trials.ns_of(self.gpu, program).is_none() && !unknown.contains(&program) {
                unknown.push(program);
            }
        }
        pipeline::compile(self.gpu, unknown.iter().copied())?;
        let at_once = if turns == Turns::OneByOne { 1 } else { unknown.len().max(1) };
        for programs in unknown.chunks(at_once) {
            let times = times(self.gpu, programs, blocks)?;
            for (program, ns) in programs.iter().zip(times) {
                self.trials.add(self.gpu, arm, program, ns);
            }
        }
        let ns = |program: &Program| self.trials.ns_of(self.gpu, program).unwrap_or(f64::INFINITY);
        let mut ranked: Vec<(T, f64)> = choices.into_iter().map(|(choice, program)| (choice, ns(&program))).collect();
        ranked.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        Ok(ranked)
    }
}

/// Nanoseconds of the fastest run of each program.
fn times(gpu: &Gpu, programs: &[&Program], blocks: &Blocks) -> Result<Vec<f64>> {
    let prepared: Vec<Prepared> =
        programs.iter().map(|program| Prepared::new(gpu, program, blocks)).collect::<Result<_>>()?;
    // A first run may still compile.
    for prepared in &prepared {
        prepared.run(Policy::OneSubmit)?;
    }
    let begun = Instant::now();
    let mut last_gain = begun;
    let mut fastest = vec![f64::INFINITY; programs.len()];
    for round in 0.. {
        if round >= 2 && (last_gain.elapsed() >= QUIET || begun.elapsed() >= LONGEST) {
            break;
        }
        for (prepared, fastest) in prepared.iter().zip(&mut fastest) {
            let before = *fastest;
            let mut elapsed_ns = 0.0;
            while elapsed_ns < ROUND_NS {
                let timing = prepared.run(Policy::OneSubmit)?;
                elapsed_ns += timing.wall_ns as f64;
                // Where the GPU tells the time, its own is compared: sizes often differ by less than a wait does.
                let gpu_ns = timing.gpu_ns.and_then(|reading| reading.ok());
                *fastest = fastest.min(gpu_ns.unwrap_or(timing.wall_ns) as f64);
            }
            if *fastest < before * (1.0 - GAIN) {
                last_gain = Instant::now();
            }
        }
    }
    Ok(fastest)
}
