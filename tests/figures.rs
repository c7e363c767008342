//! The figures as a reader meets them, drawn from a synthetic data set.

mod synthetic;

use onedispatch::commands::figures::render;
use onedispatch::record::directory::Run;

#[test]
fn look() {
    let mut runs = synthetic::runs();
    let out = std::path::PathBuf::from(std::env::var("LOOK").unwrap());
    if std::env::var("MORE").is_ok() {
        let m2 = synthetic::Model {
            name: "Apple M2 Pro",
            directory: "m2",
            overhead_ns: [80_000.0, 70_000.0, 20_000.0, 21_000.0],
            has_timestamps: false,
            ..synthetic::H200
        };
        runs.push(synthetic::decode(&m2));
        runs.push(synthetic::decode_tokens(&m2));
    }
    let (files, missing) = render(&runs).unwrap();
    println!("{missing:?}");
    onedispatch::commands::figures::write(&files, &out).unwrap();
}
fn _t(_: Run) {}
