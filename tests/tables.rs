//! Rows survive CSV whatever they hold, and nothing but such rows is read.

mod fixture;

use std::path::{Path, PathBuf};

use onedispatch::record::cell::{Cell, Kind};
use onedispatch::record::row::Cells;
use onedispatch::record::rows::{Case, PeerRow, ResultRow, Sample};
use onedispatch::record::table::{Row, Table, record_ends};
use proptest::prelude::*;

/// Text with everything that CSV or a guesser of types could stumble over.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[\",\n\r#' \t0-9a]{0,8}",
        any::<String>(),
        "[0-9]{16}",
        Just("null".to_owned()),
        Just("1e5".to_owned())
    ]
}

/// Any float but NaN, which equals nothing.
fn number() -> impl Strategy<Value = f64> {
    use prop::num::f64::*;
    NORMAL | SUBNORMAL | ZERO | INFINITE | POSITIVE | NEGATIVE
}

/// A row of any table: each column by its kind, empty now and then where it may be.
fn row<R: Row + Default + std::fmt::Debug>() -> impl Strategy<Value = R> {
    let read = |cells: &[String]| R::from_cells(&mut Cells::of(R::COLUMNS, cells, R::FILE, 0));
    let drawn = (text(), any::<u64>(), number(), any::<bool>());
    prop::collection::vec(drawn, R::COLUMNS.len()).prop_map(move |drawn| {
        let mut cells = R::default().cells();
        for (index, (column, (text, integer, number, is_empty))) in R::described().iter().zip(drawn).enumerate() {
            let tries = match column.kind {
                _ if column.is_optional && is_empty => vec![String::new()],
                Kind::Text => vec![text],
                // Some take 64 bits, others 32.
                Kind::Integer => vec![integer.write(), (integer as u32).write()],
                Kind::Number => vec![number.write()],
            };
            let fits = tries.into_iter().find(|cell| {
                cells[index].clone_from(cell);
                read(&cells).is_ok()
            });
            assert!(fits.is_some(), "{} takes nothing of its kind", column.name);
        }
        read(&cells).unwrap()
    })
}

fn round_trip<R: Row + PartialEq + std::fmt::Debug>(rows: &[R]) {
    let csv = Table::of(rows).to_csv(true);
    assert_eq!(record_ends(&csv).len(), rows.len() + 1);
    let table = Table::parse::<R>(&csv, R::FILE).unwrap();
    assert_eq!(table.rows::<R>(R::FILE).unwrap(), rows);
    // Appended lines are the same as lines written at once.
    let mut appended = Table::of::<R>(&[]).to_csv(true);
    rows.iter().for_each(|row| appended.extend(Table::of(std::slice::from_ref(row)).to_csv(false)));
    assert_eq!(String::from_utf8(appended).unwrap(), String::from_utf8(csv).unwrap());
}

proptest! {
    #[test]
    fn cases_round_trip(rows in prop::collection::vec(row::<Case>(), 0..6)) {
        round_trip(&rows);
    }

    #[test]
    fn samples_round_trip(rows in prop::collection::vec(row::<Sample>(), 0..6)) {
        round_trip(&rows);
    }

    #[test]
    fn results_round_trip(rows in prop::collection::vec(row::<ResultRow>(), 0..4)) {
        round_trip(&rows);
    }

    #[test]
    fn peers_round_trip(rows in prop::collection::vec(row::<PeerRow>(), 0..4)) {
        round_trip(&rows);
    }

    /// Bytes are refused or mean exactly one table.
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, rows in "([0-9a\",\n\r]{0,12}\n){0,4}") {
        let header = Table::of::<Sample>(&[]).to_csv(true);
        for csv in [bytes.clone(), [header.as_slice(), &bytes].concat(), [header.as_slice(), rows.as_bytes()].concat()] {
            if let Ok(table) = Table::parse::<Sample>(&csv, "samples.csv") {
                prop_assert_eq!(table.to_csv(true), csv);
            }
        }
    }
}

/// Committed files stay readable only as long as the columns stay what they are.
#[test]
fn columns_are_the_fields_in_their_order() {
    fn fields<R: Row + serde::Serialize>(row: &R) {
        let json = serde_json::to_string(row).unwrap();
        let places = R::COLUMNS.iter().map(|column| json.find(&format!("\"{column}\":")).unwrap());
        assert!(places.collect::<Vec<_>>().is_sorted(), "{json}");
    }
    let fixture::Measured { case, results, samples } = fixture::decode(1);
    fields(&case);
    fields(&results[0]);
    fields(&samples[0]);
    // What was first there stays in its place; what comes later stands behind it.
    let starts = |columns: &[&str], first: &str| assert!(columns.join(",").starts_with(first), "{columns:?}");
    starts(
        Case::COLUMNS,
        "case,workload,n_embd,n_layer,n_head,n_inner,vocab_size,prompt_tokens,new_tokens,seed,weights_sha256,\
         environment,population,steps,sequences,episodes,generations,prices_sha256,part,shape",
    );
    starts(Sample::COLUMNS, "case,arm,policy,replica,sample,order,wall_ns,gpu_ns,gpu_flag");
    starts(
        ResultRow::COLUMNS,
        "case,arm,policy,replica,unit,units,workgroup_size,subgroup_size,dispatches,submits,waits,barriers,\
         multiply_adds,min_bytes,gate,gate_error,gate_tolerance,samples,wall_median_ns,wall_low_ns,wall_high_ns,\
         units_per_s,gpu_median_ns,gpu_busy_ns,cap,reason,program_sha256,shaders_sha256,workgroups,rounds,followed,\
         decided,fitness_error,rank_correlation,rank_correlation_all,fresh_return,row_lanes,span",
    );
}

/// Runs from before there were rollouts.
#[test]
fn cases_without_the_columns_that_came_later_are_read() {
    let csv = "case,workload,n_embd,n_layer,n_head,n_inner,vocab_size,prompt_tokens,new_tokens,seed,weights_sha256\n\
               d32-l1-t64,decode,32,1,2,128,64,1,64,1,00\n";
    let table = Table::parse::<Case>(csv.as_bytes(), "cases.csv").unwrap();
    let rows = table.rows::<Case>("cases.csv").unwrap();
    assert_eq!((rows[0].new_tokens, rows[0].environment.as_str(), rows[0].population, rows[0].steps), (64, "", 0, 0));
    assert_eq!(String::from_utf8(table.to_csv(true)).unwrap(), csv);
    // Runs from before there were evolutions; of the columns that came at once all or none.
    let later = csv
        .replace("weights_sha256", "weights_sha256,environment,population,steps,sequences")
        .replace(",00", ",00,a,2,3,0");
    let rows = Table::parse::<Case>(later.as_bytes(), "cases.csv").unwrap().rows::<Case>("cases.csv").unwrap();
    assert_eq!((rows[0].population, rows[0].generations, rows[0].prices_sha256.as_str()), (2, 0, ""));
    let some = csv.replace("weights_sha256", "weights_sha256,environment").replace(",00", ",00,acrobot");
    let fault = Table::parse::<Case>(some.as_bytes(), "cases.csv").unwrap_err().to_string();
    assert!(fault.contains("population"), "{fault}");
}

#[test]
fn faults_name_file_row_and_column() {
    let message = |csv: &str| match Table::parse::<Sample>(csv.as_bytes(), "samples.csv") {
        Err(fault) => fault.to_string(),
        Ok(table) => table.rows::<Sample>("samples.csv").unwrap_err()[0].to_string(),
    };
    let header = "case,arm,policy,replica,sample,order,wall_ns,gpu_ns,gpu_flag\n";
    let messages = [
        message(""),
        message("case,arm\n"),
        message(&header.replace("arm,", "")),
        message(&header.replace("wall_ns", "wall_ms")),
        message(&header.replace("arm,policy", "policy,arm")),
        message(&format!("{header}c,a,p,0,0,0,x,,\n")),
        message(&format!("{header}c,a,p,0,0,0,,,\n")),
        message(&format!("{header}c,a,p,0,0,0,1,1.5,\n")),
        message(&format!("{header}c,a,p,0,0,0,007,,\n")),
        message(&format!("{header}c,a,p,0,0,0,1,,\nc,a,p\n")),
        message(&format!("{header}c,a,p,0,0,0,1,,\nc,a,p,0,1,1,1,,,,,\n")),
        message(&format!("{header}c,a,p,0,0,0,1,,")),
        message(&format!("{header}c,\"a\"b\",p,0,0,0,1,,\n")),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    samples.csv, row 0: no data: empty CSV; expected one cell a column, quoted as CSV
    samples.csv, row 0, policy: no such column; expected the columns case,arm,policy,replica,sample,order,wall_ns,gpu_ns,gpu_flag
    samples.csv, row 0, arm: no such column; expected the columns case,arm,policy,replica,sample,order,wall_ns,gpu_ns,gpu_flag
    samples.csv, row 0, wall_ns: no such column; expected the columns case,arm,policy,replica,sample,order,wall_ns,gpu_ns,gpu_flag
    samples.csv, row 0, policy: a column out of order; expected `arm` in its place
    samples.csv, row 1, wall_ns: `x`; expected an integer from 0 to 18446744073709551615, plainly written
    samples.csv, row 1, wall_ns: ``; expected an integer from 0 to 18446744073709551615, plainly written
    samples.csv, row 1, gpu_ns: `1.5`; expected an integer from 0 to 18446744073709551615, plainly written
    samples.csv, row 1, wall_ns: `007`; expected an integer from 0 to 18446744073709551615, plainly written
    samples.csv, row 2: not written as onedispatch writes it; expected LF at line ends, quotes only where needed, every column present
    samples.csv, row 2: found more fields than defined in 'Schema'; expected one cell a column, quoted as CSV
    samples.csv, row 1: not written as onedispatch writes it; expected LF at line ends, quotes only where needed, every column present
    samples.csv, row 0: could not parse `"a"b",p,0,0,0,1,,; expected one cell a column, quoted as CSV
    "#);
}

/// A column that nobody fills in is empty in every row, which nothing else would notice. Pages leave out what only a native run
/// looks into.
#[test]
fn every_column_of_a_result_is_filled_in() {
    const NOT_OF_PAGES: [&str; 7] = [
        "gpu_busy_ns",
        "followed",
        "decided",
        "fitness_error",
        "rank_correlation",
        "rank_correlation_all",
        "fresh_return",
    ];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let summary = read(source.join("record/summary.rs"));
    let measuring = std::fs::read_dir(source.join("measure")).unwrap().map(|entry| read(entry.unwrap().path()));
    let native: String = measuring.chain([summary.clone()]).collect();
    let page = read(source.join("web/results.rs")) + &summary;
    for column in ResultRow::COLUMNS.iter().filter(|column| !ResultRow::KEY.contains(column)) {
        let name = format!("row.{column}");
        let goes_on = |rest: &str| rest.starts_with(|next: char| next == '_' || next.is_alphanumeric());
        let is_in = |text: &str| text.split(&name).skip(1).any(|rest| !goes_on(rest));
        assert!(is_in(&native), "nothing in src/measure/ fills in {column}");
        assert_eq!(is_in(&page), !NOT_OF_PAGES.contains(column), "{column} in src/web/results.rs");
    }
}
