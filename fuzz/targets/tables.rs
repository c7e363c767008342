//! The tables of a run and of its peers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onedispatch::record::rows::{Case, PeerRow, PeerSample, ResultRow, Sample};
use onedispatch::record::table::{Row, Table};

fn read<R: Row>(csv: &[u8]) {
    if let Ok(table) = Table::parse::<R>(csv, R::FILE) {
        assert_eq!(table.to_csv(true), csv, "what is read is what would be written");
        let _ = table.rows::<R>(R::FILE);
    }
}

fuzz_target!(|csv: &[u8]| {
    read::<Case>(csv);
    read::<ResultRow>(csv);
    read::<Sample>(csv);
    read::<PeerRow>(csv);
    read::<PeerSample>(csv);
});
