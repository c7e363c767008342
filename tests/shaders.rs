//! Every shader, without a GPU: naga, which wgpu compiles with, parses and validates it, as it stands and with the
//! constants of real programs; and a program says of its kernels what their shaders say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use naga::back::pipeline_constants::process_overrides;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Expression, Literal, Module, ShaderStage, StorageAccess, TypeInner};
use onedispatch::cases::rollout::task_of;
use onedispatch::device::progress;
use onedispatch::program::{Contents, Dispatch, Kernel, Program};
use onedispatch::shaders;
use onedispatch::spec::RolloutCase;
use onedispatch::workload::control::{Scale, controls};
use onedispatch::workload::decode::buffers::request_words;
use onedispatch::workload::decode::format::Format;
use onedispatch::workload::decode::format::{LONG_STEP, PACKED_STEP};
use onedispatch::workload::decode::model::{Config, Draw, Request, Sampling};
use onedispatch::workload::decode::operations::{self, Operations, Place};
use onedispatch::workload::decode::tile;
use onedispatch::workload::decode::{Arm, Tuning};
use onedispatch::workload::rollout;
use onedispatch::workload::rollout::environment::Environment;
use onedispatch::workload::rollout::environments;
use onedispatch::workload::rollout::evolution::Evolution;

/// A shader that passes, or the first thing that is wrong with it.
fn validated(source: &str, capabilities: Capabilities) -> Result<(Module, ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|error| error.emit_to_string(source))?;
    let info = validator(capabilities).validate(&module).map_err(|error| error.emit_to_string(source))?;
    Ok((module, info))
}

fn validator(capabilities: Capabilities) -> Validator {
    Validator::new(ValidationFlags::all(), capabilities)
}

/// What a shader may use beyond naga's default: subgroups, in the file named after them, which also unpacks two-byte floats
/// (as every WebGPU device can: it needs no `shader-f16`).
fn capabilities(file: &str) -> Capabilities {
    let of_subgroups = Capabilities::SUBGROUP | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    if file.contains("subgroup") { of_subgroups } else { Capabilities::empty() }
}

#[test]
fn the_binary_holds_every_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut there = BTreeMap::new();
    let folders = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.filter(|path| path.is_dir()) {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            there.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    let held = shaders::FILES.iter().map(|(name, source)| (name.to_string(), source.to_string()));
    assert_eq!(held.collect::<BTreeMap<_, _>>(), there);
}

#[test]
fn every_file_is_valid() {
    for (file, source) in shaders::composed() {
        if let Err(fault) = validated(source, capabilities(file)) {
            panic!("{file}: {fault}");
        }
    }
}

/// The texts of decoding.
fn of_decoding() -> impl Iterator<Item = &'static str> {
    shaders::composed().keys().map(String::as_str).filter(|file| file.starts_with("decode/"))
}

#[test]
fn every_text_that_counts_is_valid() {
    for file in of_decoding() {
        let counted = shaders::source(&format!("{file}{}", shaders::COUNTED)).unwrap();
        if let Err(fault) = validated(counted, capabilities(file)) {
            panic!("{file}: {fault}");
        }
    }
}

#[test]
fn broken_shaders_are_refused() {
    let source = shaders::source("decode/workgroup.wgsl").unwrap();
    let broken = |from: &str, to: &str| {
        assert!(source.contains(from), "{from}");
        validated(&source.replace(from, to), Capabilities::empty()).unwrap_err()
    };
    assert!(broken("let scale", "let skale").contains("no definition in scope for identifier: `scale`"));
    assert!(broken("var total = 0.0;", "var total = 0u;").contains("automatic conversions cannot convert"));
    assert!(broken("@binding(3) var<storage, read_write>", "@binding(3) var<storage, read>").contains("store"));
}

#[test]
fn a_text_uses_subgroups_where_its_name_says_so() {
    for (file, source) in shaders::composed() {
        let uses = validated(source, Capabilities::empty()).is_err();
        assert_eq!(uses, file.contains("subgroup"), "{file} uses subgroups: {uses}");
    }
}

fn config(n_embd: u32, n_head: u32, n_inner: u32, vocab_size: u32) -> Config {
    Config {
        vocab_size,
        n_positions: 16,
        n_embd,
        n_head,
        n_layer: 2,
        n_inner,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Default::default(),
        stored: None,
    }
}

/// Programs that between them use every kernel in every way: narrow, odd, wide and sampled, at each workgroup size.
fn programs() -> Vec<Program> {
    let mut programs: Vec<Program> =
        controls(&Scale::of(true, 1 << 20, 2)).into_iter().map(|control| control.program).collect();
    programs.push(progress::program(2, 64, 1));
    for (n_embd, n_head, n_inner, vocab_size) in [(32, 2, 128, 64), (30, 3, 50, 37), (512, 8, 2048, 257)] {
        let config = config(n_embd, n_head, n_inner, vocab_size);
        let weighed = Some(Draw { temperature: 0.8, top_k: 5, top_p: 0.9, min_p: 0.0, seed: 1 });
        let samplings = [
            Sampling::GREEDY,
            Sampling::top_k(0.8, 5, 1),
            Sampling { repetition_penalty: 1.2, draw: None },
            Sampling { repetition_penalty: 1.0, draw: weighed.map(|draw| Draw { top_p: 1.0, min_p: 0.1, ..draw }) },
            Sampling { repetition_penalty: 1.2, draw: weighed },
        ];
        for sampling in samplings {
            let request = Request { prompt: vec![1, 2], new_tokens: 3, sampling, end_tokens: Vec::new() };
            for arm in Arm::all() {
                for &workgroup_size in arm.workgroup_sizes() {
                    let workgroups = if arm.algorithm.about().is_spread { 16 } else { 1 };
                    for memory in [16_384, 49_152] {
                        let tuning = Tuning { workgroups, memory, subgroup_size: 32, ..Tuning::of(workgroup_size, 16) };
                        programs.push(arm.program(&config, &request, &tuning));
                        // In every format, and as a device that binds little has them.
                        let formats =
                            Format::ALL.iter().filter(|_| arm.algorithm.has_formats() && workgroup_size == 64);
                        for (index, &format) in formats.enumerate() {
                            let tuning = Tuning { binding_bytes: [u64::MAX, 1][index % 2], ..tuning };
                            let arm = Arm { format, ..arm };
                            programs.push(arm.program(&config, &request, &tuning));
                            if sampling != Sampling::GREEDY {
                                continue;
                            }
                            let prompt = (0..12).map(|token| token * 3 % vocab_size).collect();
                            let longer = Request { prompt, ..request.clone() };
                            let in_tiles = arm.program_after(&config, &longer, &Tuning { tile: 16, ..tuning }, 2);
                            assert_eq!(in_tiles.kernels[0].constants["TILE"], 16.0, "{}", in_tiles.name);
                            programs.push(in_tiles);
                        }
                    }
                }
            }
        }
    }
    for environment in Environment::all() {
        for arm in rollout::Arm::PLAIN {
            for lanes in arm.lanes(environment) {
                for traced in [false, true] {
                    let tuning = rollout::Tuning { workgroup_size: 32, lanes, traced };
                    programs.push(arm.program(environment, 100, 7, &tuning));
                }
            }
        }
        let evolution =
            Evolution { environment, population: 128, steps: 7, episodes: 3, generations: 4, at_once: 2, seed: 1 };
        programs.extend([evolution.program(32), evolution.evaluation(32)]);
    }
    for environment in environments::task_names() {
        let name = String::new();
        let case = RolloutCase {
            name,
            environment: environment.into(),
            population: 70,
            steps: 5,
            seed: 1,
            ..RolloutCase::default()
        };
        let task = task_of(&case).unwrap();
        programs.extend(task.arms.iter().map(|&arm| (task.program)(arm, 32)));
    }
    programs
}

/// A kernel's shader with the kernel's constants, and only what its entry point uses.
fn specialised(kernel: &Kernel) -> (Module, ModuleInfo) {
    let source = shaders::source(&kernel.shader).unwrap_or_else(|| panic!("no shader {}", kernel.shader));
    let (module, info) = validated(source, capabilities(&kernel.shader)).unwrap();
    let constants = kernel.constants.iter().map(|(name, value)| (name.clone(), *value)).collect();
    let entry = Some((ShaderStage::Compute, kernel.entry.as_str()));
    // An unknown constant is refused here.
    let (module, info) = process_overrides(&module, &info, entry, &constants)
        .unwrap_or_else(|error| panic!("{} {}: {error}", kernel.shader, kernel.entry));
    (module.into_owned(), info.into_owned())
}

#[test]
fn kernels_are_what_programs_say() {
    let mut seen = BTreeSet::new();
    for program in programs() {
        for dispatch in program.phases.iter().flat_map(|phase| &phase.dispatches) {
            let kernel = &program.kernels[dispatch.kernel];
            let (module, info) = specialised(kernel);
            if let Err(error) = validator(capabilities(&kernel.shader)).validate(&module) {
                panic!("{} {} with {:?}: {error}", kernel.shader, kernel.entry, kernel.constants);
            }
            check(&program, dispatch, &module, &info);
            seen.insert(kernel.shader.clone());
        }
    }
    let all: BTreeSet<String> = shaders::composed().keys().cloned().collect();
    assert_eq!(seen, all, "every shader is in some program");
}

/// Workgroup size and memory, and what is bound, against the shader with its constants put in.
fn check(program: &Program, dispatch: &Dispatch, module: &Module, info: &ModuleInfo) {
    let kernel = &program.kernels[dispatch.kernel];
    let what = format!("{} {} of {}: {:?}", kernel.shader, kernel.entry, program.name, kernel.constants);
    let index = module.entry_points.iter().position(|entry| entry.name == kernel.entry).expect(&what);
    assert_eq!(module.entry_points[index].workgroup_size, [kernel.workgroup_size, 1, 1], "{what}");
    if kernel.subgroup_size > 0 {
        assert!(kernel.subgroup_size <= 32 && kernel.subgroup_size <= kernel.workgroup_size, "{what}");
    }

    let used = info.get_entry_point(index);
    let mut workgroup_bytes = 0;
    let mut bound = BTreeMap::new();
    for (_, variable) in module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty()) {
        match variable.space {
            AddressSpace::WorkGroup => {
                workgroup_bytes += u64::from(module.types[variable.ty].inner.size(module.to_ctx()));
            }
            AddressSpace::Storage { access } => {
                let binding = variable.binding.as_ref().expect(&what);
                assert_eq!(binding.group, 0, "{what}");
                bound.insert(binding.binding as usize, access.contains(StorageAccess::STORE));
            }
            _ => {}
        }
    }
    assert!(workgroup_bytes <= kernel.workgroup_bytes, "{what} takes {workgroup_bytes}");
    assert_eq!(bound.keys().copied().collect::<Vec<_>>(), (0..dispatch.bindings.len()).collect::<Vec<_>>(), "{what}");
    for (index, binding) in dispatch.bindings.iter().enumerate() {
        let buffer = &program.buffers[binding.buffer];
        let twice = dispatch.bindings.iter().filter(|other| other.buffer == binding.buffer).count() > 1;
        if bound[&index] {
            assert!(!matches!(buffer.contents, Contents::Constant(_)), "{what} writes {}", buffer.name);
            assert!(!twice, "{what} binds {} twice and writes it", buffer.name);
        }
    }
}

/// The constants of a shader that are numbers.
fn constants(module: &Module) -> BTreeMap<&str, u32> {
    let value = |init| match module.global_expressions[init] {
        Expression::Literal(Literal::U32(value)) => Some(value),
        Expression::Literal(Literal::Bool(value)) => Some(u32::from(value)),
        _ => None,
    };
    let named = module.constants.iter().filter_map(|(_, constant)| Some((constant.name.as_deref()?, constant.init)));
    named.filter_map(|(name, init)| Some((name, value(init)?))).collect()
}

/// What Rust and WGSL both say of decoding: the words of a request, where operations and slots are, and what a lane takes of a row.
#[test]
fn both_languages_mean_the_same_by_requests_operations_and_slots() {
    let config = config(30, 3, 50, 37);
    let request = Request { prompt: vec![1], new_tokens: 3, sampling: Sampling::GREEDY, end_tokens: Vec::new() };
    let place = Place { step: 0, operation: 0 };
    let words = request_words(&config, &request, &Tuning::of(64, 16), (0, 0), 0, &(place..place)).map(|(name, _)| name);
    for file in of_decoding() {
        let (module, _) = validated(shaders::source(file).unwrap(), capabilities(file)).unwrap();
        let of_request = module.types.iter().find(|(_, found)| found.name.as_deref() == Some("Request"));
        let TypeInner::Struct { members, span } = &of_request.expect(file).1.inner else { panic!("{file}") };
        let members: Vec<&str> = members.iter().filter_map(|member| member.name.as_deref()).collect();
        assert_eq!((members.as_slice(), *span as usize), (words.as_slice(), 4 * words.len()), "{file}");

        let found = constants(&module);
        let mut expected = vec![
            ("NORM_1_AT", operations::NORM_1),
            ("QUERY_KEY_VALUE_AT", operations::QUERY_KEY_VALUE),
            ("ATTENTION_AT", operations::ATTENTION),
            ("PROJECTION_AT", operations::PROJECTION),
            ("NORM_2_AT", operations::NORM_2),
            ("FC_AT", operations::FC),
            ("MLP_AT", operations::MLP),
            ("EMBEDDING_KIND", operations::EMBEDDING_KIND),
            ("HEAD_KIND", operations::HEAD_KIND),
            ("CHOICE_KIND", operations::CHOICE_KIND),
            ("LAYER_KINDS", operations::LAYER_KINDS),
            ("ALL_KINDS", operations::ALL_KINDS),
            ("LAYER_OPERATIONS", operations::LAYER_OPERATIONS),
            ("BITS", operations::BITS),
            ("NONE", u32::MAX),
        ];
        if file.contains("subgroup") {
            expected.extend([
                ("LONG_STEP", LONG_STEP),
                ("PACKED_STEP", PACKED_STEP),
                ("ROWS", tile::ROWS),
                ("MEMBERS", tile::MEMBERS),
                ("TOGETHER", tile::TOGETHER),
            ]);
        }
        for (name, value) in expected {
            assert_eq!(found.get(name), Some(&value), "{name} of {file}");
        }
        for format in Format::ALL.into_iter().filter(|_| file.contains("subgroup")) {
            let name = format.name().to_ascii_uppercase();
            assert_eq!(found.get(name.as_str()), Some(&(format as u32)), "{name} of {file}");
        }
    }
}

/// What follows from a kernel's constants in WGSL, against what the program reckons with.
#[test]
fn operations_and_slots_are_where_programs_take_them_to_be() {
    let mut seen = BTreeSet::new();
    for program in programs() {
        let Some(kernel) = program.kernels.iter().find(|kernel| kernel.shader.starts_with("decode/")) else { continue };
        let (module, _) = specialised(kernel);
        let get = |name: &str| kernel.constants[name] as u32;
        let all = Operations::of_kernel(kernel);
        let workgroups = program.phases[0].dispatches[0].workgroups;
        let exchange = &program.buffers[program.buffer("exchange").unwrap()];
        let members = kernel.constants.get("TILE").map_or(1, |&tile| tile as u32);
        let slots = exchange.bytes as u32 / 4 / (workgroups / get("WORKGROUPS")) / members;
        let gaps = kernel.constants.get("GAPS").is_some_and(|gaps| *gaps > 0.0);
        let spread = |count: u32| if gaps { 9 * count.div_ceil(8) } else { count };
        let [embd4, heads4, inner4] = ["N_EMBD4", "HEADS4", "N_INNER4"].map(get);
        let wide = spread(embd4) * if get("NEAR") > 0 { 2 } else { 1 };
        if get("WHOLE") > 0 {
            assert!(get("HIDDEN4") >= wide + spread(inner4.max(3 * heads4)).max(spread(embd4)), "{}", program.name);
        }
        let expected = BTreeMap::from([
            ("NORM_F_AT", all.norm_f),
            ("HEAD_AT", all.head),
            ("COUNT_AT", all.count),
            ("DRAW_AT", all.draw),
            ("CHOICE_AT", all.choice),
            ("SLOTS", slots),
            ("WIDE", wide),
        ]);
        for (name, value) in constants(&module) {
            if let Some(expected) = expected.get(name) {
                assert_eq!(value, *expected, "{name} of {}, {:?}", program.name, kernel.constants);
                seen.insert(name.to_string());
            }
        }
    }
    let all = ["CHOICE_AT", "COUNT_AT", "DRAW_AT", "HEAD_AT", "NORM_F_AT", "SLOTS", "WIDE"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
}
