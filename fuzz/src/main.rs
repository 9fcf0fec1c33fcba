//! `gangline-torture`: tries to break Gangline, and says what came of it as `name value` lines.
//!
//! Ends with 0 when nothing was found, 1 when something was, 2 when the command line is wrong.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use gangline_torture::args::Args;
use gangline_torture::crash::Load;
use gangline_torture::model::op::Promise;
#[cfg(feature = "mutants")]
use gangline_torture::mutants;
use gangline_torture::{
    Failure, crash, eio, flip, follow, full, history, instants, model, power, soak, starve, transfer,
};

const USAGE: &str = "\
usage: gangline-torture COMMAND [OPTIONS]

  model     random operations on a store and on a BTreeMap, with reopening and kills
            --seed S (1)  --ops N (20000)  --round R (all)  --in-process (no child processes)
  transfer  threads that move money in opposite orders
            --seconds N (10)  --threads T (2)  --accounts N (64)  --seed S (1)
  history   random transactions whose history must have a serial order
            --seconds N (10)  --threads T (8)  --seed S (1)
  postgres  the transactions of `history` on PostgreSQL, to prove the checker (needs the feature `postgres`)
            --seconds N (10)  --threads T (4)  --seed S (1)  --server URL (one of its own)
  instants  full reads of a table 8 times the memory budget, beside writers and checkpoints: each is of one instant
            --reads N (1000)  --seed S (1)  --cache-kib N (4096)
  starve    threads that want the same rows, and a reader of all: nobody may wait for long
            --seconds N (10)  --threads T (16)  --rows N (1000000)  --seed S (1)
  crash     writers in a child process that is killed
            --kills N (50)  --seed S (1)  --compact (the store is compacted all the time)
            --copies (backups are made and restored all the time)
  follow    a subscriber beside writers, in a child process that is killed
            --commits N (100000)  --kills N (20)  --seed S (1)
  power     what a disk may hold after a power cut
            --cuts N (500)  --seed S (1)  --page 4|7 (both)  --cuts-a-trace N (200; 10 with --defaults)
            --commits N (2000, of each trace)  --dir FOLDER (in memory)
            --defaults (sled without the rein, which must lose)
            --again FOLDER --cut N --image S (one image of a trace that was kept)
  flip      one damage to one file of a store
            --flips N (500)  --seed S (1)  --dir FOLDER (in memory)
  eio       a disk that refuses a call
            --faults N (100)  --seed S (1)  --dir FOLDER (in memory)
  disk-full a disk that runs full, as root
            --fills N (20)  --seed S (1)
  soak      a long run with little memory, and with backups and compactions
            --minutes N (30)  --rows N (5000000)  --threads T (4)  --cache-mib N (64)  --pace SECONDS (60)
            --copies-pace SECONDS (180)  --seed S (1)  --dir FOLDER (the system's for temporary files)
  mutants   rules of the locks left out one at a time, which the checks must see; built with --features mutants
            --seconds N (60, for each)  --only NAME  --seed S (1)
";

/// Why the program ends.
enum End {
    WrongArguments(String),
    Found(Failure),
}

impl From<String> for End {
    fn from(text: String) -> Self {
        End::WrongArguments(text)
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        End::Found(failure)
    }
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        End::Found(error.into())
    }
}

fn main() -> ExitCode {
    let (text, code) =
        match Args::read(std::env::args().skip(1), &["in-process", "defaults", "go-on", "close", "compact", "copies"])
            .map_err(End::from)
            .and_then(run)
        {
            Ok(()) => return ExitCode::SUCCESS,
            Err(End::WrongArguments(text)) => (format!("{text}\n\n{USAGE}"), 2),
            Err(End::Found(failure)) => (format!("failed: {failure}\n"), 1),
        };
    // Where standard error is closed there is nobody to tell.
    drop(std::io::stderr().write_all(text.as_bytes()));
    ExitCode::from(code)
}

fn run(mut args: Args) -> Result<(), End> {
    let lines = match args.command.as_str() {
        "model" => {
            let plan = model::Plan {
                seed: args.option_or("seed", 1)?,
                ops: args.option_or("ops", 20_000)?,
                round: args.option("round")?,
                processes: !args.flag("in-process"),
            };
            args.finish()?;
            model::run(&plan)?.lines()
        }
        "transfer" => {
            let plan = transfer::Plan {
                time: Duration::from_secs(args.option_or("seconds", 10)?),
                threads: args.option_or("threads", 2)?,
                accounts: args.option_or("accounts", 64)?,
                seed: args.option_or("seed", 1)?,
            };
            args.finish()?;
            transfer::run(&plan)?.lines()
        }
        "history" => {
            let plan = history::Plan {
                time: Duration::from_secs(args.option_or("seconds", 10)?),
                threads: args.option_or("threads", 8)?,
                seed: args.option_or("seed", 1)?,
            };
            args.finish()?;
            history::run(&plan)?.lines()
        }
        "instants" => {
            let plan = instants::Plan {
                reads: args.option_or("reads", 1_000)?,
                seed: args.option_or("seed", 1)?,
                cache_bytes: args.option_or("cache-kib", 4_096)? << 10,
            };
            args.finish()?;
            instants::run(&plan)?.lines()
        }
        "starve" => {
            let plan = starve::Plan {
                time: Duration::from_secs(args.option_or("seconds", 10)?),
                threads: args.option_or("threads", 16)?,
                rows: args.option_or("rows", 1_000_000)?,
                seed: args.option_or("seed", 1)?,
            };
            args.finish()?;
            starve::run(&plan)?.lines()
        }
        "crash" => crash_lines(args)?,
        "follow" => follow_lines(args)?,
        "power" | "flip" | "eio" | "disk-full" | "soak" => disk(args)?,
        #[cfg(feature = "mutants")]
        "mutants" => return mutants_all(args),
        #[cfg(feature = "mutants")]
        "mutant-child" => return mutant_child(args),
        "postgres" => postgres(args)?,
        _ => return child(args),
    };
    std::io::stdout().write_all(lines.as_bytes())?;
    Ok(())
}

/// The commands that are about disks.
fn disk(mut args: Args) -> Result<String, End> {
    Ok(match args.command.as_str() {
        "power" => power_lines(args)?,
        "flip" => {
            let (flips, seed) = (args.option_or("flips", 500)?, args.option_or("seed", 1)?);
            let plan = flip::Plan { flips, seed, dir: args.option("dir")? };
            args.finish()?;
            let summary = flip::run(&plan)?;
            judged(summary.lines(), summary.is_bad())?
        }
        "eio" => {
            let (faults, seed) = (args.option_or("faults", 100)?, args.option_or("seed", 1)?);
            let plan = eio::Plan { faults, seed, dir: args.option("dir")? };
            args.finish()?;
            let summary = eio::run(&plan)?;
            judged(summary.lines(), summary.is_bad())?
        }
        "disk-full" => {
            let plan = full::Plan { fills: args.option_or("fills", 20)?, seed: args.option_or("seed", 1)? };
            args.finish()?;
            let summary = full::run(&plan)?;
            judged(summary.lines(), summary.is_bad())?
        }
        _ => soak_lines(args)?,
    })
}

/// What a run found: an error where it must not be.
fn judged(lines: String, is_bad: bool) -> Result<String, End> {
    if is_bad { Err(End::Found(Failure(lines))) } else { Ok(lines) }
}

/// The commands with which this program starts itself.
fn child(mut args: Args) -> Result<(), End> {
    let lines = match args.command.as_str() {
        "model-child" => {
            let promise = match args.option_or("durability", "immediate".to_owned())?.as_str() {
                "eventual" => Promise::Eventual,
                _ => Promise::Immediate,
            };
            let place = args.path("store")?;
            args.finish()?;
            return Ok(model::remote::serve(&place, promise)?);
        }
        "crash-child" => return crash_child(args),
        "follow-child" => return follow_child(args),
        "power-child" => {
            let (root, load) = (args.path("root")?, load(&mut args)?);
            let (commits, seed) = (args.option_or("commits", 100)?, args.option_or("seed", 1)?);
            args.finish()?;
            return Ok(power::child::record(&root, load, commits, seed)?);
        }
        "eio-child" => {
            let (root, load) = (args.path("root")?, load(&mut args)?);
            let (commits, seed) = (args.option_or("commits", 100)?, args.option_or("seed", 1)?);
            args.finish()?;
            eio::child(&root, load, commits, seed)?
        }
        "full-child" => {
            let (disk, seed) = (args.path("disk")?, args.option_or("seed", 1)?);
            let moment = args.option_or("moment", String::new())?;
            args.finish()?;
            full::child(&disk, &moment, seed)?
        }
        "power-look" => {
            let (store, load, go_on) = (args.path("store")?, load(&mut args)?, args.flag("go-on"));
            let promised = power::promises(&args.option_or("promised", String::new())?)?;
            args.finish()?;
            power::child::look(&power::child::Look { store: &store, load, promised: &promised, go_on })?.lines()
        }
        "flip-make" => {
            let (store, close) = (args.path("store")?, args.flag("close"));
            args.finish()?;
            return Ok(flip::data::make(&store, close)?);
        }
        "flip-look" => {
            let store = args.path("store")?;
            args.finish()?;
            flip::look::look(&store)?.line() + "\n"
        }
        "flip-repair" => {
            let (store, into) = (args.path("store")?, args.path("into")?);
            args.finish()?;
            flip::repaired::repair(&store, &into)? + "\n"
        }
        other => return Err(End::WrongArguments(format!("there is no command {other:?}"))),
    };
    std::io::stdout().write_all(lines.as_bytes())?;
    Ok(())
}

fn load(args: &mut Args) -> Result<Load, String> {
    let Load { slots, text_bytes, large_bytes, bulk_every } = Load::default();
    Ok(Load {
        slots: args.option_or("slots", slots)?,
        text_bytes: args.option_or("text", text_bytes)?,
        large_bytes: args.option_or("large", large_bytes)?,
        bulk_every: args.option_or("bulk", bulk_every)?,
    })
}

fn follow_lines(mut args: Args) -> Result<String, End> {
    let plan = follow::Plan {
        commits: args.option_or("commits", 100_000)?,
        kills: args.option_or("kills", 20)?,
        seed: args.option_or("seed", 1)?,
    };
    args.finish()?;
    let summary = follow::run(&plan)?;
    judged(summary.lines(), summary.is_bad())
}

fn soak_lines(mut args: Args) -> Result<String, End> {
    let plan = soak::Plan {
        time: Duration::from_secs(60 * args.option_or("minutes", 30)?),
        pace: Duration::from_secs(args.option_or("pace", 60)?),
        copies_pace: Duration::from_secs(args.option_or("copies-pace", 180)?),
        rows: args.option_or("rows", 5_000_000)?,
        threads: args.option_or("threads", 4)?,
        cache_bytes: args.option_or("cache-mib", 64)? << 20,
        seed: args.option_or("seed", 1)?,
        dir: args.option("dir")?,
    };
    args.finish()?;
    let summary = soak::run(&plan, &mut std::io::stdout())?;
    judged(summary.lines(), summary.is_bad())
}

fn power_lines(mut args: Args) -> Result<String, End> {
    let defaults = args.flag("defaults");
    if let Some(folder) = args.option::<PathBuf>("again")? {
        let (cut, image) = (args.option_or("cut", 0)?, args.option_or("image", 1)?);
        args.finish()?;
        return Ok(power::again(&folder, cut, image, defaults)?);
    }
    let plan = power::Plan {
        cuts: args.option_or("cuts", 500)?,
        // Losses are rare enough without the rein, too: more traces find them sooner.
        cuts_a_trace: args.option_or("cuts-a-trace", if defaults { 10 } else { 200 })?,
        commits: args.option_or("commits", 2_000)?,
        seed: args.option_or("seed", 1)?,
        page: args.option("page")?,
        defaults,
        dir: args.option("dir")?,
    };
    args.finish()?;
    let summary = power::run(&plan)?;
    match (defaults, summary.bad_cuts) {
        (false, 0) | (true, 1..) => Ok(summary.lines()),
        (true, 0) => Err(End::Found(Failure(format!("{}nothing was lost: this proves nothing", summary.lines())))),
        (false, _) => Err(End::Found(Failure(summary.lines()))),
    }
}

#[cfg(feature = "mutants")]
fn mutants_all(mut args: Args) -> Result<(), End> {
    let plan = mutants::Plan {
        time: Duration::from_secs(args.option_or("seconds", 60)?),
        only: args.option("only")?,
        seed: args.option_or("seed", 1)?,
    };
    args.finish()?;
    Ok(mutants::run(&plan, &mut std::io::stdout().lock())?)
}

#[cfg(feature = "mutants")]
fn mutant_child(mut args: Args) -> Result<(), End> {
    let name: String = args.option("name")?.ok_or("--name is missing".to_owned())?;
    let check = args.option("check")?.ok_or("--check is missing".to_owned())?;
    let time = Duration::from_secs(args.option_or("seconds", 60)?);
    let seed = args.option_or("seed", 1)?;
    args.finish()?;
    Ok(mutants::check(&name, check, time, seed)?)
}

#[cfg(feature = "postgres")]
fn postgres(mut args: Args) -> Result<String, End> {
    let plan = history::postgres::Plan {
        time: Duration::from_secs(args.option_or("seconds", 10)?),
        threads: args.option_or("threads", 4)?,
        seed: args.option_or("seed", 1)?,
        server: args.option("server")?,
    };
    args.finish()?;
    Ok(history::postgres::run(&plan)?.lines())
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: Args) -> Result<String, End> {
    let text = "this program was built without a client: cargo run --release -p gangline-torture --features postgres";
    Err(Failure(text.to_owned()).into())
}

fn follow_child(mut args: Args) -> Result<(), End> {
    let (store, seed) = (args.path("store")?, args.option_or("seed", 1)?);
    let (commits, position) = (args.option_or("commits", u64::MAX)?, args.option::<String>("position")?);
    args.finish()?;
    Ok(follow::child::write(&follow::child::Task { store: &store, seed, commits, position: position.as_deref() })?)
}

fn crash_lines(mut args: Args) -> Result<String, End> {
    let plan = crash::Plan {
        kills: args.option_or("kills", 50)?,
        seed: args.option_or("seed", 1)?,
        compact: args.flag("compact"),
        copies: args.flag("copies"),
    };
    args.finish()?;
    Ok(crash::run(&plan)?.lines())
}

fn crash_child(mut args: Args) -> Result<(), End> {
    let (store, seed) = (args.path("store")?, args.option_or("seed", 1)?);
    let (compact, copies) = (args.flag("compact"), args.option::<PathBuf>("copies-in")?);
    args.finish()?;
    Ok(crash::child::write(&crash::child::Work { store: &store, seed, compact, copies: copies.as_deref() })?)
}
