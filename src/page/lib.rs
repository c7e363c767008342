//! What the page calls of the core. Plain data crosses as JSON, bytes as typed arrays; `web/js/core.js` loads it.

mod block;
mod case;
mod chat;
mod check;
mod file;
mod measuring;
mod model;
mod tokenizer;

use onedispatch_core::device_info::{BROWSER, Device};
use onedispatch_core::program::{Policy, Program};
use onedispatch_core::{digest, error, shaders};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "../refusal.js")]
extern "C" {
    /// The page's own error, whose message is shown as it stands.
    type Refusal;
    #[wasm_bindgen(constructor)]
    fn new(message: &str) -> Refusal;
}

/// Either what was asked for, or a `Refusal`.
type Answer<T> = Result<T, JsValue>;

fn refusal(error: error::Error) -> JsValue {
    Refusal::new(&error.to_string()).into()
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

fn from_json<T: DeserializeOwned>(json: &str) -> Answer<T> {
    serde_json::from_str(json).map_err(|error| Refusal::new(&error.to_string()).into())
}

/// Lower-case hexadecimal SHA-256.
#[wasm_bindgen]
pub fn sha256(bytes: &[u8]) -> String {
    digest::sha256_hex(bytes)
}

/// The composed text of a shader; nothing where there is none of this name.
#[wasm_bindgen]
pub fn shader(name: &str) -> Option<String> {
    shaders::source(name).map(str::to_owned)
}

/// Why a program cannot run on a device (the page's `info`); nothing where it can.
#[wasm_bindgen]
pub fn objection(program: &str, device: &str) -> Answer<Option<String>> {
    #[derive(serde::Deserialize)]
    struct Info {
        subgroup_min_size: u32,
        limits: std::collections::BTreeMap<String, u64>,
    }
    let Info { subgroup_min_size, limits } = from_json(device)?;
    let device = Device { backend: BROWSER.into(), subgroup_min_size, limits, ..Device::default() };
    Ok(device.objection(&from_json::<Program>(program)?, &|| 1))
}

/// How often a program goes to the GPU and back under a policy: `{dispatches, submits, waits}`.
#[wasm_bindgen]
pub fn traffic(program: &str, policy: &str) -> Answer<String> {
    let policy: Policy = policy.parse().map_err(|why: String| JsValue::from(Refusal::new(&why)))?;
    Ok(to_json(&from_json::<Program>(program)?.traffic(policy)))
}
