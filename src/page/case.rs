//! A case of the page: what is run for it, on what, and what judges the outputs.

use js_sys::{Object, Reflect, Uint8Array};
use onedispatch_core::cases::page::PageCase;
use onedispatch_core::cases::verdict::Verdict;
use onedispatch_core::error::Error;
use onedispatch_core::program::Blocks;
use onedispatch_core::protocol::Plan;
use onedispatch_core::spec::Spec;
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::{Answer, refusal, to_json};

#[wasm_bindgen]
pub struct Case {
    case: PageCase,
    plan: Plan,
}

#[wasm_bindgen]
impl Case {
    /// The case of this name of a spec, which is TOML. Its oracle is asked here, which takes a while for large models.
    #[wasm_bindgen(constructor)]
    pub fn new(spec: &str, name: &str) -> Answer<Case> {
        let spec = Spec::parse(spec, "the page's experiment").map_err(refusal)?;
        let case = PageCase::of(&spec, name).map_err(refusal)?;
        Ok(Case { case, plan: Plan::of(&spec) })
    }

    /// `{weights_sha256, plan, programs}`: programs by what they are for, without what they do.
    pub fn about(&self) -> String {
        let programs: Vec<_> = self.case.programs.iter().map(|program| program.about()).collect();
        to_json(&json!({ "weights_sha256": self.case.weights_sha256, "plan": self.plan, "programs": programs }))
    }

    /// A program, as JSON.
    pub fn program(&self, index: usize) -> String {
        to_json(&self.case.programs[index].program)
    }

    /// The program that makes single steps as this one makes whole episodes; nothing of other work than rollouts.
    pub fn single(&self, index: usize) -> Option<String> {
        self.case.singles.get(index).map(|single| to_json(&single.program))
    }

    /// The constants of a program by name, as bytes.
    pub fn blocks(&self, index: usize) -> Object {
        as_object(&self.case.blocks(index))
    }

    /// The same of single steps.
    #[wasm_bindgen(js_name = singleBlocks)]
    pub fn single_blocks(&self) -> Object {
        as_object(&self.case.single_blocks())
    }

    /// `{error, reason, units}` of a program's outputs, which are bytes by the names of buffers.
    pub fn judge(&mut self, index: usize, outputs: &Object) -> Answer<String> {
        let bytes = |name: &str| match Reflect::get(outputs, &name.into()) {
            Ok(bytes) if !bytes.is_undefined() => Ok(Uint8Array::new(&bytes).to_vec()),
            _ => Err(Error::check(format!("has no output `{name}`"))),
        };
        let Verdict { error, reason, units, .. } = self.case.judge(index, &bytes).map_err(refusal)?;
        Ok(to_json(&json!({ "error": error, "reason": reason, "units": units })))
    }
}

fn as_object(blocks: &Blocks) -> Object {
    let object = Object::new();
    for (name, bytes) in blocks {
        // Setting a property of a plain object does not fail.
        let _ = Reflect::set(&object, &name.into(), &Uint8Array::from(bytes.whole().as_slice()));
    }
    object
}
