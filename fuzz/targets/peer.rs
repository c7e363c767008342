//! What a peer wrote: judged beside a run that it belongs to.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use onedispatch::peer::import;
use onedispatch::record::run::{self, Run};

static RUN: LazyLock<Run> = LazyLock::new(|| {
    run::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/peer/run")).expect("the seed's run is read")
});

fuzz_target!(|bytes: &[u8]| {
    let _ = import::judged(bytes, std::slice::from_ref(&*RUN));
});
