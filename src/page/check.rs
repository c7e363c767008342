//! The check of an answer, in parts of some milliseconds: the page does something else before the next.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;

use onedispatch_core::pause::{at_once, go_on};
use onedispatch_core::workload::decode::gate::{Gate, Reference};
use onedispatch_core::workload::decode::model::Request;
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::to_json;

#[wasm_bindgen]
pub struct Check {
    work: Pin<Box<dyn Future<Output = Gate>>>,
    followed: Rc<Cell<usize>>,
}

impl Check {
    /// Of `tokens`, and of the logits that chose the last of them where there are any.
    pub fn of(
        mut reference: Reference<'static>,
        request: Request,
        tokens: Vec<u32>,
        logits: Vec<f32>,
        tolerance: f64,
    ) -> Check {
        let followed = Rc::new(Cell::new(0));
        let count = Rc::clone(&followed);
        let work = async move {
            for there in 1..=tokens.len() {
                reference.expect(&request.prompt, &tokens[..there]).await;
                count.set(there);
            }
            let last = (tokens.len().saturating_sub(1), &*logits);
            let rows = if logits.is_empty() { &[][..] } else { &[last][..] };
            reference.judge(&request, &tokens, rows, tolerance).await
        };
        Check { work: Box::pin(work), followed }
    }
}

#[wasm_bindgen]
impl Check {
    /// Tokens that the oracle has followed.
    #[wasm_bindgen(getter)]
    pub fn followed(&self) -> usize {
        self.followed.get()
    }

    /// The next part: `{error, reason}` after the last one, which is not to be gone on from.
    #[wasm_bindgen(js_name = goOn)]
    pub fn go_on(&mut self) -> Option<String> {
        go_on(self.work.as_mut()).map(found)
    }

    /// All that is left, without a rest.
    pub fn finish(self) -> String {
        found(at_once(self.work))
    }
}

fn found(Gate { error, reason, .. }: Gate) -> String {
    to_json(&json!({ "error": error, "reason": reason }))
}
