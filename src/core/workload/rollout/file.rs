//! Populations as safetensors files.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::environment::Environment;
use super::population::{Population, initial_states};
use crate::error::{Error, Result, Within, printable};

/// Reads `genomes`, f32 [population, parameters], and `initial_state`, f32 [population, state]; where there is no initial
/// state, one is drawn from the seed as the environment draws it. Other tensors are left alone.
///
/// # Errors
///
/// One line: no such file or no safetensors file, a tensor of another type or shape (with the environment's layout), a
/// number that is not finite (with its individual).
pub fn read(path: &Path, environment: &Environment, seed: u64) -> Result<Population> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    parse(&bytes, environment, seed).within(path.display())
}

/// [`read`] from the bytes of a file.
pub fn parse(bytes: &[u8], environment: &Environment, seed: u64) -> Result<Population> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        let what = printable(&error.to_string());
        Error::input(format!("no safetensors file ({what}); write one with `genomes` in it"))
    })?;
    let find = |name: &str| file.iter().find(|(other, _)| *other == name).map(|(_, view)| view);
    let Some(genomes) = find("genomes") else {
        return Err(Error::input(format!(
            "there is no tensor `genomes`, f32 [population, {}]; {}",
            environment.parameters(),
            environment.layout()
        )));
    };
    let genomes = rows("genomes", &genomes, environment.parameters() as usize, &environment.layout())?;
    let components = environment.components;
    let names: Vec<&str> = components.iter().map(|component| component.name).collect();
    let layout = format!("a state of {} is {}", environment.name, names.join(", "));
    let individuals = genomes.len() / environment.parameters() as usize;
    let Some(initial) = find("initial_state") else {
        let mut population = Population::of_rows(environment, &genomes, &[]);
        population.initial = initial_states(environment, individuals as u32, seed);
        return Ok(population);
    };
    let initial = rows("initial_state", &initial, components.len(), &layout)?;
    let states = initial.len() / components.len();
    if states != individuals {
        return Err(Error::input(format!("`initial_state` has {states} rows, but there are {individuals} genomes")));
    }
    Ok(Population::of_rows(environment, &genomes, &initial))
}

/// The numbers of a tensor [population, width], all finite.
fn rows(name: &str, view: &TensorView, width: usize, layout: &str) -> Result<Vec<f32>> {
    let shape = view.shape();
    let possible = shape.len() == 2 && shape[1] == width && (1..=u32::MAX as usize).contains(&shape[0]);
    if view.dtype() != Dtype::F32 || !possible {
        return Err(Error::input(format!(
            "`{name}` is {:?} {shape:?}, not F32 [population, {width}]; {layout}",
            view.dtype()
        )));
    }
    let numbers: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
    match numbers.iter().position(|number| !number.is_finite()) {
        None => Ok(numbers),
        Some(at) => Err(Error::input(format!(
            "individual {} of `{name}` is {} at {}; mend or leave out that individual",
            at / width,
            numbers[at],
            at % width
        ))),
    }
}

/// Writes tensors f32 to a safetensors file: name, shape, numbers.
pub fn write(path: &Path, tensors: &[(&str, Vec<usize>, &[f32])], metadata: &[(&str, String)]) -> Result<()> {
    let views: Vec<(&str, TensorView)> = tensors
        .iter()
        .map(|(name, shape, numbers)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(numbers));
            view.map(|view| (*name, view)).map_err(|error| Error::input(format!("{}: {error}", path.display())))
        })
        .collect::<Result<_>>()?;
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
    let metadata = (!metadata.is_empty()).then_some(metadata);
    let bytes = safetensors::serialize(views, metadata)
        .map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
    std::fs::write(path, bytes).map_err(|error| Error::io(path, error))
}
