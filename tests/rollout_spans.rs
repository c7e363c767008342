//! One kernel, however many steps of an episode a dispatch covers: nothing else differs between the rungs of a ladder.

mod optional;

use std::num::NonZeroU32;

use onedispatch::cases::rollout::entries;
use onedispatch::device::Gpu;
use onedispatch::device::executor::Prepared;
use onedispatch::program::{Contents, Policy, Program};
use onedispatch::shaders;
use onedispatch::spec::Spec;
use onedispatch::workload::rollout::environment::Environment;
use onedispatch::workload::rollout::population::Population;
use onedispatch::workload::rollout::{Arm, Span, Tuning};

/// Steps that divide the episode and steps that do not, up to all of it by number.
fn ladder(steps: u32) -> Vec<Arm> {
    let some = [2, 7, 10, steps].map(|steps| Arm::Fused(Span::Steps(NonZeroU32::new(steps).unwrap())));
    [&[Arm::STEP], &some[..], &[Arm::WHOLE]].concat()
}

/// A program without what may differ: its name, the span in its request, and how often it is dispatched.
fn without_span(mut program: Program) -> (Program, u32, u32) {
    program.name.clear();
    let repeat = std::mem::take(&mut program.phases[0].repeat);
    let request = program.buffers.iter_mut().find(|buffer| buffer.name == "request").unwrap();
    let Contents::Words(words) = &mut request.contents else { panic!("a request is words") };
    let span = std::mem::take(&mut words[2]);
    (program, span, repeat)
}

#[test]
fn only_the_span_differs_between_rungs() {
    let steps = 50;
    let all = Environment::all().into_iter();
    for (environment, lanes) in all.flat_map(|one| Arm::WHOLE.lanes(one).into_iter().map(move |lanes| (one, lanes))) {
        let program = |arm: Arm| arm.program(environment, 100, steps, &Tuning { lanes, ..Tuning::of(128) });
        let whole = program(Arm::WHOLE);
        assert_eq!(whole.dispatches(), 1, "{}", environment.name);
        for arm in ladder(steps) {
            let rung = program(arm);
            assert_eq!(rung.dispatches(), u64::from(steps.div_ceil(arm.span().steps(steps))), "{}", arm.name());
            assert_eq!(rung.kernels, whole.kernels, "one pipeline, with the same constants");
            assert_eq!(shaders::sha256(&rung), shaders::sha256(&whole));
            let (rest, span, repeat) = without_span(rung);
            assert_eq!((span, repeat), (arm.span().steps(steps), steps.div_ceil(span)), "{}", arm.name());
            assert_eq!(rest, without_span(whole.clone()).0, "{}", arm.name());
        }
    }
}

/// The same episodes, bit for bit, traced and not, however they are handed over.
#[test]
fn every_span_makes_the_same_episodes() {
    let gpu = Gpu::open(None).unwrap();
    let steps = 50;
    for environment in Environment::all() {
        let population = Population::random(environment, 100, 11);
        let made = |arm: Arm, policy: Policy, lanes: u32, traced: bool| {
            let tuning = Tuning { workgroup_size: 64, lanes, traced };
            let program = arm.program(environment, population.individuals, steps, &tuning);
            let prepared = Prepared::new(&gpu, &program, &population.blocks(environment)).unwrap();
            prepared.run(policy).unwrap();
            ["episodes", "states", "trajectory"].map(|output| prepared.read(output).unwrap())
        };
        let lanes = Arm::WHOLE.lanes(environment).into_iter();
        let lanes = lanes.filter(|&lanes| lanes == 1 || optional::has_subgroups(&gpu, lanes, environment.name));
        for (lanes, traced) in lanes.flat_map(|lanes| [(lanes, false), (lanes, true)]) {
            let made = |arm, policy| made(arm, policy, lanes, traced);
            let whole = made(Arm::WHOLE, Policy::OneSubmit);
            for arm in ladder(steps) {
                let policies = if arm == Arm::STEP { &Policy::ALL[..] } else { &[Policy::OneSubmit] };
                for &policy in policies {
                    let same = made(arm, policy) == whole;
                    assert!(same, "{} {} {policy} by {lanes}, traced: {traced}", environment.name, arm.name());
                }
            }
        }
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    for arm in [&[Arm::PerOperation][..], &ladder(50)].concat() {
        assert_eq!(Arm::named(&arm.name()).unwrap(), arm);
        assert_eq!(Span::named(&arm.span().name()).unwrap(), arm.span());
    }
    assert_eq!(Arm::named("stepwise").unwrap().name(), "fused@step", "as old commands call it");
    assert_eq!(Arm::named("fused@episode").unwrap().name(), "fused");
    assert_eq!(Arm::named("fused@steps:1").unwrap().name(), "fused@step");
    assert_eq!(Arm::named("per-operation@operation").unwrap(), Arm::PerOperation);
}

/// A ladder of one case: spans are for the arm that can be cut, and policies where there is more than one dispatch.
#[test]
fn a_spec_asks_for_rungs() {
    let spec = |more: &str| {
        let text = format!(
            "name = \"ladder\"\nquestion = \"Which?\"\nworkload = \"rollout\"\nseed = 1\nsamples = 15\nwarmup_s = 0\n\
             arm_cap_s = 1\ntolerance = 1e-3\ntolerance_reason = \"f32\"\n{more}\n[rollout]\n\
             environment = [\"acrobot\"]\npopulation = [64]\nsteps = [100]\n"
        );
        Spec::parse(&text, "ladder.toml").unwrap()
    };
    let asked = |more: &str| -> Vec<String> {
        let spec = spec(more);
        let entries = entries(&spec, &spec.rollout_cases()[0]).unwrap();
        entries.iter().map(|(arm, policy, replica)| format!("{} {policy} {replica}", arm.name())).collect()
    };
    let policies = "policies = [\"wait-each\", \"one-submit\"]";
    assert_eq!(
        asked(&format!(
            "arms = [\"per-operation\", \"fused\"]\nspans = [\"step\", \"steps:100\", \"episode\"]\n{policies}"
        )),
        [
            "per-operation wait-each 0",
            "per-operation one-submit 0",
            "fused@step wait-each 0",
            "fused@step one-submit 0",
            "fused@steps:100 one-submit 0",
            "fused one-submit 0",
            "fused one-submit 1",
        ]
    );
    let old = asked(&format!("arms = [\"stepwise\", \"fused\"]\n{policies}"));
    assert_eq!(old, ["fused@step wait-each 0", "fused@step one-submit 0", "fused one-submit 0", "fused one-submit 1"]);
    assert_eq!(asked(&format!("spans = [\"episode\"]\n{policies}")), asked(policies));
}
