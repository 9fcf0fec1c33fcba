//! Queries 1, 6 and 14 by the operators of the library, beside what DuckDB gave.
//!
//! `q14.py` says how it was asked for query 14, and `cargo run --release -p gangline-bench-peers -- --workload tpch --sf 0.1 --peers duckdb` asks
//! it the others again, and writes its numbers to `target/peers/tpch.json`.

use gangline::{Access, Db, Table};
use tpchgen::generators::PartGenerator;

use super::gangline::{ITEMS, load};
use super::item::Item;
use super::query::{Group, Q1_LAST_DAY, Sums, q6_revenue, q6_takes};

/// September 1995, in days since 1970: the month of query 14.
const Q14_DAYS: std::ops::Range<i32> = 9_374..9_404;

/// What query 14 wants of a part: its type.
const PARTS: Table<i64, String> = Table::new("part");

/// Flags, sums of quantity, price, discounted price, charge and discount, and the count.
type Line = ((char, char), [i64; 5], i64);

/// Rows, query 1, query 6, and the sums of query 14: of promoted parts, and of all.
type Right = (u64, [Line; 4], i128, (i64, i64));

const AT_0_01: Right = (
    60_175,
    [
        (('A', 'F'), [380_456, 53_234_821_165, 5_058_224_414_861, 526_165_934_000_839, 74_501], 14_876),
        (('N', 'F'), [8_971, 1_238_480_137, 117_982_572_080, 12_282_485_056_933, 1_662], 348),
        (('N', 'O'), [742_802, 104_150_284_145, 9_897_375_186_346, 1_029_418_531_523_350, 145_704], 29_181),
        (('R', 'F'), [381_449, 53_459_444_535, 5_079_964_544_067, 528_524_219_358_903, 74_253], 14_902),
    ],
    11_930_532_253,
    (37_728_624_032, 243_621_944_424),
);

const AT_0_1: Right = (
    600_572,
    [
        (('A', 'F'), [3_774_200, 532_075_388_069, 50_540_962_666_828, 5_256_751_331_449_234, 741_087], 147_790),
        (('N', 'F'), [95_257, 13_373_779_584, 1_271_323_726_512, 132_286_291_229_445, 18_597], 3_765),
        (('N', 'O'), [7_459_297, 1_051_227_000_890, 99_862_383_383_847, 10_385_578_376_585_467, 1_462_802], 292_000),
        (('R', 'F'), [3_785_523, 533_795_052_647, 50_718_185_329_420, 5_274_405_503_049_367, 741_346], 148_301),
    ],
    118_034_202_534,
    (424_350_894_257, 2_605_960_789_394),
);

fn q1(da: &impl Access) -> Vec<Group> {
    let add = |mut sums: Sums, item: &Item| {
        sums.add(item);
        sums
    };
    let merge = |mut left: Sums, right: Sums| {
        left.merge(&right);
        left
    };
    let shipped = da.query(ITEMS).select(|item| item.shipped <= Q1_LAST_DAY);
    let groups = shipped.group_by(|item| (item.return_flag, item.status)).fold(Sums::default, add, merge);
    groups.expect("the query runs").into_iter().map(|((flag, status), sums)| sums.line(flag, status)).collect()
}

fn q6(da: &impl Access) -> i128 {
    da.query(ITEMS).select(q6_takes).project(q6_revenue).sum().expect("the query runs")
}

fn q14(da: &impl Access) -> (i64, i64) {
    let sold = da.query(ITEMS).select(|item| Q14_DAYS.contains(&item.shipped)).join(PARTS, |item| item.part);
    let sums = sold.project(|item, part| {
        let revenue = item.price * (100 - item.discount);
        let promoted = part.expect("each item has a part").starts_with("PROMO");
        (if promoted { revenue } else { 0 }, revenue)
    });
    sums.reduce(|a, b| (a.0 + b.0, a.1 + b.1)).expect("the query runs").expect("something was sold")
}

fn load_parts(db: &Db, scale: f64) {
    let parts: Vec<_> = PartGenerator::new(scale, 1, 1).iter().collect();
    let put = |tx: &gangline::Transaction| {
        parts.iter().try_for_each(|part| tx.put(PARTS, part.p_partkey, part.p_type.to_owned()))
    };
    db.transact(put).expect("the parts are loaded");
}

fn line(group: &Group) -> Line {
    let Group { return_flag, status, quantity, price, discounted, charge, discount, count } = *group;
    ((return_flag, status), [quantity, price, discounted, charge, discount], count)
}

fn check(scale: f64, (rows, lines, revenue, promotion): Right) {
    let db = Db::in_memory().expect("a database in memory");
    load(&db, scale).expect("the table is loaded");
    load_parts(&db, scale);
    assert_eq!(db.len(ITEMS).expect("it is there"), rows);
    let same = |asked: (Vec<Group>, i128, (i64, i64))| {
        let (q1, q6, q14) = asked;
        assert_eq!(q1.iter().map(line).collect::<Vec<_>>(), lines);
        assert_eq!((q6, q14), (revenue, promotion));
    };
    let snapshot = db.snapshot();
    same((q1(&db), q6(&db), q14(&db)));
    same((q1(&snapshot), q6(&snapshot), q14(&snapshot)));
    same(db.transact(|tx| Ok((q1(tx), q6(tx), q14(tx)))).expect("nothing is written"));
}

#[test]
fn the_queries_give_what_duckdb_gives_at_a_hundredth() {
    check(0.01, AT_0_01);
}

#[test]
fn the_queries_give_what_duckdb_gives_at_a_tenth() {
    check(0.1, AT_0_1);
}
