//! Every aggregate over the built-in sample is what DuckDB gives for its files. CONTRIBUTING.md says how the same is
//! compared over whole data sets.

use gangline::{Access, Db, Options};
use gangline_statistics::aggregates::{differences, olist};
use gangline_statistics::data::load::load;
use gangline_statistics::data::source::Source;

const EXPECTED: &str = include_str!("../data/aggregates/olist_sample.txt");

/// With few rows a segment, so that there are many parts to put together.
fn with_sample(segment_rows: usize) -> Db {
    let db = Options::new().segment_rows(segment_rows).scan_threads(2).in_memory().expect("a database in memory");
    load(&db, "memory", &Source::built_in().expect("the sample"), |_| ()).expect("the sample is loaded");
    db
}

fn check(da: &impl Access) {
    let lines = olist::lines(da).expect("the queries run");
    assert_eq!(differences(&lines, EXPECTED), "");
    assert!(lines.len() > 250);
}

#[test]
fn the_aggregates_of_the_sample_are_those_of_duckdb() {
    for segment_rows in [100, 4_096] {
        let db = with_sample(segment_rows);
        check(&db);
        check(&db.snapshot());
        db.transact(|tx| {
            check(tx);
            Ok(())
        })
        .expect("nothing is written");
    }
}
