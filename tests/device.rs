//! What can go wrong between a program and a GPU: each fault is one line with exit code 2, and nothing panics.

use onedispatch::device::Gpu;
use onedispatch::device::executor::Prepared;
use onedispatch::error::Error;
use onedispatch::program::{Blocks, Contents, Policy, Program};
use onedispatch::workload::control::{Control, Scale, controls};

fn control(arm: &str) -> Control {
    controls(&Scale::of(true, 1 << 16, 2)).into_iter().find(|control| control.arm == arm).unwrap()
}

fn line(error: Error) -> String {
    assert_eq!(error.exit_code(), 2);
    let line = error.to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

fn refusal(gpu: &Gpu, program: &Program, blocks: &Blocks) -> String {
    line(Prepared::new(gpu, program, blocks).map(|_| ()).expect_err("the program is faulty"))
}

#[test]
fn a_shader_that_does_not_compile_is_named_with_the_device() {
    let gpu = Gpu::open(None).unwrap();
    let Control { mut program, blocks, .. } = control("fma");
    program.kernels[0].constants.insert("NO_SUCH".into(), 1.0);
    let said = refusal(&gpu, &program, &blocks);
    let start = format!("shaders/control/fma.wgsl does not compile on {}: ", gpu.info.name);
    assert!(said.starts_with(&start) && said.contains("NO_SUCH"), "{said}");

    program.kernels[0].constants.remove("NO_SUCH");
    program.kernels[0].entry = "no_such".into();
    assert!(refusal(&gpu, &program, &blocks).starts_with(&start));
    program.kernels[0].shader = "control/none.wgsl".into();
    assert_eq!(refusal(&gpu, &program, &blocks), "there is no shader `control/none.wgsl` in this binary");
}

#[test]
fn a_program_that_does_not_fit_its_kernels_is_refused() {
    let gpu = Gpu::open(None).unwrap();
    let Control { program, blocks, .. } = control("fma");
    assert_eq!(refusal(&gpu, &program, &Blocks::new()), "fma: no block `start` of 64 bytes was given");

    let mut unbound = program.clone();
    unbound.phases[0].dispatches[0].bindings.pop();
    assert!(refusal(&gpu, &unbound, &blocks).starts_with("fma: "));
}

#[test]
fn what_exceeds_a_limit_is_named_with_the_limit() {
    let gpu = Gpu::open(None).unwrap();
    let limits = gpu.device.limits();
    let objection = |change: &dyn Fn(&mut Program)| {
        let Control { mut program, .. } = control("fma");
        assert_eq!(gpu.objection(&program), None);
        change(&mut program);
        gpu.objection(&program).unwrap()
    };
    let threads = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
    let bytes = u64::from(limits.max_compute_workgroup_storage_size);
    let bound = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let groups = limits.max_compute_workgroups_per_dimension;
    let file = "control/fma.wgsl";
    assert_eq!(
        objection(&|program| program.kernels[0].workgroup_size = threads + 1),
        format!("a workgroup of {file} needs {}, but max_compute_invocations_per_workgroup is {threads}", threads + 1)
    );
    assert_eq!(
        objection(&|program| program.kernels[0].workgroup_bytes = bytes + 1),
        format!("workgroup memory of {file} needs {}, but max_compute_workgroup_storage_size is {bytes}", bytes + 1)
    );
    assert!(objection(&|program| program.kernels[0].subgroup_size = 256).contains("needs subgroups"));
    assert!(objection(&|program| program.buffers[1].bytes = bound + 4).starts_with("the buffer `ends` ("));
    if let Some(more) = groups.checked_add(1) {
        assert_eq!(
            objection(&|program| program.phases[0].dispatches[0].workgroups = more),
            format!("a dispatch needs {more}, but max_compute_workgroups_per_dimension is {groups}")
        );
    }
}

/// What no kernel wrote is seen: a poisoned output is read back as NaN, not as what memory held.
#[test]
fn an_output_that_is_not_written_is_poison() {
    let gpu = Gpu::open(None).unwrap();
    let Control { mut program, blocks, .. } = control("fma");
    program.phases[0].repeat = 0;
    let prepared = Prepared::new(&gpu, &program, &blocks).unwrap();
    prepared.run(Policy::WaitEach).unwrap();
    assert!(matches!(program.buffers[1].contents, Contents::Poison));
    assert!(prepared.read("ends").unwrap().iter().all(|byte| *byte == 0xff));
}

#[test]
fn a_lost_device_is_an_error_that_says_how_to_go_on() {
    let gpu = Gpu::open(None).unwrap();
    let Control { program, blocks, .. } = control("empty");
    let prepared = Prepared::new(&gpu, &program, &blocks).unwrap();
    prepared.run(Policy::OneSubmit).unwrap();
    gpu.device.destroy();
    for policy in Policy::ALL {
        let said = line(prepared.run(policy).expect_err("there is no device"));
        assert!(said.starts_with(&gpu.info.name) && said.contains("finished rows are kept"), "{said}");
    }
    line(prepared.read("count").expect_err("there is no device"));
    refusal(&gpu, &program, &blocks);
}
