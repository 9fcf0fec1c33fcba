//! Replays the corpus and other fixed tapes through the bodies of the fuzz targets, so that they cannot rot on a stable toolchain.

use std::path::Path;
use std::time::Duration;

use gangline_torture::random::Random;
use gangline_torture::{model, targets, transfer};

#[test]
fn the_corpora_find_nothing() {
    for (name, body) in targets::ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let entries = std::fs::read_dir(folder).expect("the corpora are beside this package");
        let inputs: Vec<_> = entries.map(|entry| entry.expect("a file of the corpus").path()).collect();
        assert!(inputs.len() > 5, "{name} has {} inputs", inputs.len());
        for input in inputs {
            body(&std::fs::read(input).expect("a file of the corpus"));
        }
        body(&[]);
    }
}

#[test]
fn noise_finds_nothing_in_bytes_and_locks() {
    for (name, body) in targets::ALL.into_iter().filter(|(name, _)| *name != "model") {
        let mut random = Random::new(1);
        for length in (0..300_u64).map(|input| input * 4 % 601) {
            let noise: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            if std::panic::catch_unwind(|| body(&noise)).is_err() {
                panic!("{name} fails on {noise:?}");
            }
        }
    }
}

#[test]
fn noise_finds_nothing() {
    // The first byte is the kind of store: on disk and in memory, with both durabilities.
    for kind in 0..4 {
        let mut random = Random::new(u64::from(kind));
        let noise = (0..6_000).map(|_| random.next() as u8);
        model::replay(&std::iter::once(kind).chain(noise).collect::<Vec<u8>>());
    }
}

#[test]
fn the_model_agrees_in_one_process() {
    let plan = model::Plan { seed: 1, ops: 3_000, round: None, processes: false };
    let summary = model::run(&plan).expect("no difference");
    assert_eq!((summary.ops, summary.rounds, summary.kills), (3_000, 2, 0));
    assert!(summary.reopens > 2 && summary.rows > 0, "{summary:?}");
}

#[test]
fn transfers_in_opposite_orders_keep_the_sum() {
    let plan = transfer::Plan { time: Duration::from_secs(1), threads: 2, accounts: 16, seed: 1 };
    let summary = transfer::run(&plan).expect("the sum holds");
    assert!(summary.transfers > 0 && summary.sums_checked > 0, "{summary:?}");
    assert_eq!((summary.sum, summary.timeouts), (16_000, 0));
}
