//! The program as it is run: its numbers, its files, its second run, and its errors.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use gangline::Db;
use gangline_statistics::data::model::{ORDER_ITEMS, ORDERS};
use gangline_statistics::data::value::{Cents, Id};

fn report(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gangline-statistics"))
        .current_dir(folder)
        .arg("report")
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// The `name value` lines of a run that must have gone well, without its speed.
fn numbers(output: &Output) -> HashMap<String, String> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing but numbers in a pipe");
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    let pair = |line: &str| line.split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().map(|line| pair(line).expect("a name and a value")).collect()
}

/// Standard error of a run that must have failed with exit code `code`.
fn failure(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn check(found: &HashMap<String, String>, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(found.get(*name).map(String::as_str), Some(*value), "{name} of {found:?}");
    }
}

const SAMPLE: [(&str, &str); 12] = [
    ("sellers", "1610"),
    ("customers", "8135"),
    ("products", "5460"),
    ("orders", "8135"),
    ("items", "8365"),
    ("payments", "8924"),
    ("reviews", "8225"),
    ("revenue", "1093264.35"),
    ("freight", "172288.39"),
    ("mean_score", "3.2716"),
    ("top_seller", "7e93a43ef30c4f03f38b393420bc753a 17906.20"),
    ("charts", "7070"),
];

#[test]
fn the_sample_is_reported_again_and_with_an_order_more() {
    let folder = tempfile::tempdir().unwrap();
    let output = report(folder.path(), &[]);
    let first = numbers(&output);
    check(&first, &SAMPLE);
    check(
        &first,
        &[("resumed_at", "0"), ("loaded", "48854"), ("open", "./report/index.html"), ("read_table", "order_items")],
    );
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("\nopen ./report/index.html\n"));
    for name in ["read_rows_per_s_1", "read_rows_per_s_all"] {
        assert!(first[name].parse::<u64>().unwrap() > 0, "{name}");
    }
    let charts = |shelf: &str| fs::read_dir(folder.path().join("report").join(shelf)).unwrap().count();
    assert_eq!((charts("sellers"), charts("products")), (1610, 5460));
    let page = fs::read_to_string(folder.path().join("report/index.html")).unwrap();
    assert!(page.contains("1,093,264.35") && page.contains("not a random one"));

    let second = numbers(&report(folder.path(), &["--sellers", "3"]));
    check(&second, &SAMPLE);
    check(&second, &[("resumed_at", "48854"), ("loaded", "0")]);

    // The store is the data: an order that is added to it is counted, and nothing else changes.
    let db = Db::open(folder.path().join("olist.gangline")).unwrap();
    let id = Id::parse("ffffffffffffffffffffffffffffffff").unwrap();
    let top = Id::parse("7e93a43ef30c4f03f38b393420bc753a").unwrap();
    let mut order = db.first(ORDERS).unwrap().expect("an order").1.to_owned();
    order.id = id;
    db.put(ORDERS, id, order).unwrap();
    let mut item = db.first(ORDER_ITEMS).unwrap().expect("an item").1.to_owned();
    (item.order, item.seller, item.price, item.freight) = (id, top, Cents::new(1_000), Cents::new(1));
    db.put(ORDER_ITEMS, (id, 1), item).unwrap();
    db.close().unwrap();
    let third = numbers(&report(folder.path(), &[]));
    check(&third, &[("orders", "8136"), ("items", "8366"), ("revenue", "1093274.35"), ("freight", "172288.40")]);
    check(&third, &[("top_seller", "7e93a43ef30c4f03f38b393420bc753a 17916.20"), ("loaded", "0"), ("charts", "7070")]);
    check(&third, &[SAMPLE[0], SAMPLE[1], SAMPLE[2], SAMPLE[5], SAMPLE[6], SAMPLE[9]]);
}

#[test]
fn a_synthetic_table_is_added_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let found = numbers(&report(folder.path(), &["--synthetic", "5000"]));
    check(&found, &SAMPLE);
    check(&found, &[("read_table", "synthetic_users"), ("read_rows", "5000")]);
}

const SELLERS: &str = "seller_id,seller_zip_code_prefix,seller_city,seller_state\n\
                       7e93a43ef30c4f03f38b393420bc753a,06429,barueri,SP\n";

#[test]
fn other_data_on_a_store_is_refused_by_both_names() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("csv")).unwrap();
    fs::write(folder.path().join("csv/sellers.csv"), SELLERS).unwrap();
    let small = numbers(&report(folder.path(), &["--data", "csv"]));
    check(
        &small,
        &[("sellers", "1"), ("orders", "0"), ("mean_score", "none"), ("top_seller", "none"), ("charts", "0")],
    );

    let text = failure(&report(folder.path(), &[]), 1);
    assert!(
        text.contains("the built-in Olist sample") && text.contains("/csv") && text.contains("olist.gangline"),
        "{text}"
    );
    fs::write(folder.path().join("csv/sellers.csv"), SELLERS.replace("SP", "RJ")).unwrap();
    let text = failure(&report(folder.path(), &["--data", "csv"]), 1);
    assert_eq!(text.matches("/csv").count(), 2, "{text}");

    fs::remove_dir_all(folder.path().join("csv")).unwrap();
    let output = report(folder.path(), &["--data", "csv"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("\nsellers 1\n"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not exist; the store"));
}

#[test]
fn what_is_broken_is_named_and_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let text = failure(&report(folder.path(), &["--data", "missing"]), 1);
    assert_eq!(text, "error: the data folder missing does not exist\n");
    assert!(!folder.path().join("olist.gangline").exists());

    fs::create_dir(folder.path().join("csv")).unwrap();
    let csv = folder.path().join("csv/sellers.csv");
    fs::write(&csv, SELLERS.to_owned() + "7e93,06429,barueri,SP\n").unwrap();
    let text = failure(&report(folder.path(), &["--data", "csv"]), 1);
    let expected = "sellers.csv, line 3, column seller_id: expected an id of 32 hexadecimal digits, found \"7e93\"\n";
    assert_eq!(text, format!("error: {expected}"));
    fs::write(&csv, SELLERS).unwrap();
    check(
        &numbers(&report(folder.path(), &["--data", "csv"])),
        &[("sellers", "1"), ("resumed_at", "0"), ("loaded", "1")],
    );
}

#[test]
fn wrong_arguments_have_their_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let text = failure(&report(folder.path(), &["--sellers", "few"]), 2);
    assert!(text.starts_with("error: --sellers needs a whole number, not \"few\"\n"), "{text}");
    assert!(!folder.path().join("olist.gangline").exists());
}

#[test]
fn a_store_that_is_open_elsewhere_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path().join("olist.gangline")).unwrap();
    let text = failure(&report(folder.path(), &[]), 1);
    assert!(text.starts_with("error: ") && text.contains("olist.gangline"), "{text}");
    db.close().unwrap();
    check(&numbers(&report(folder.path(), &[])), &SAMPLE);
}
