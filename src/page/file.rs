//! The bytes of a model's file, handed over piece by piece. What is read of them stays where it is, so that they are in memory once.

use onedispatch_core::error::Error;
use onedispatch_core::workload::decode::file_bytes::Shared;
use wasm_bindgen::prelude::*;

use crate::{Answer, refusal};

#[wasm_bindgen]
pub struct FileBytes(Vec<u8>);

#[wasm_bindgen]
impl FileBytes {
    /// Room for a file of so many bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(length: f64) -> Answer<FileBytes> {
        let mut bytes = Vec::new();
        let has_room = length <= f64::from(u32::MAX) && bytes.try_reserve_exact(length as usize).is_ok();
        has_room.then_some(FileBytes(bytes)).ok_or_else(|| {
            refusal(Error::input(format!(
                "this browser has too little memory for a model of {:.0} MiB; close other tabs, or choose a smaller one",
                length / f64::from(1 << 20)
            )))
        })
    }

    /// Takes what follows.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl From<FileBytes> for Shared {
    fn from(FileBytes(bytes): FileBytes) -> Shared {
        bytes.into()
    }
}
