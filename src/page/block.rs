//! Weights as kernels read them, packed a piece at a time: the page puts one on the GPU, and does something else before the next.

use js_sys::{Function, Uint8Array};
use onedispatch_core::program;
use onedispatch_core::workload::decode::packing::{Packed, Piece};
use wasm_bindgen::prelude::*;

use crate::Answer;

/// Bytes of a piece, about: what takes some milliseconds.
const PIECE: usize = 4 << 20;

#[wasm_bindgen]
pub struct Block {
    packed: Packed,
    pieces: Vec<Piece>,
}

impl Block {
    pub fn of(packed: Packed) -> Block {
        Block { pieces: packed.pieces(PIECE), packed }
    }
}

#[wasm_bindgen]
impl Block {
    /// What no piece covers is zero.
    #[wasm_bindgen(getter)]
    pub fn bytes(&self) -> f64 {
        program::Block::bytes(&self.packed) as f64
    }

    #[wasm_bindgen(getter)]
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Calls `put(offset, bytes)` with a piece; the bytes are there until it returns.
    pub fn write(&self, piece: usize, put: &Function) -> Answer<()> {
        let mut done = Ok(());
        self.packed.write_pieces(&self.pieces[piece..=piece], &mut |offset, bytes| {
            // SAFETY: nothing here is called, and so nothing allocated, before `put` returns.
            let view = unsafe { Uint8Array::view(bytes) };
            done = put.call2(&JsValue::NULL, &JsValue::from_f64(offset as f64), &view).map(|_| ());
        });
        done
    }
}
