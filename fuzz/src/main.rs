//! `gangline-torture`: tries to break Gangline, and says what came of it as `name value` lines.
//!
//! Ends with 0 when nothing was found, 1 when something was, 2 when the command line is wrong.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use gangline_torture::args::Args;
use gangline_torture::model::op::Promise;
#[cfg(feature = "mutants")]
use gangline_torture::mutants;
use gangline_torture::{Failure, crash, history, model, starve, transfer};

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
  starve    threads that want the same rows, and a reader of all: nobody may wait for long
            --seconds N (10)  --threads T (16)  --rows N (1000000)  --seed S (1)
  crash     writers in a child process that is killed
            --kills N (50)  --seed S (1)
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
    let (text, code) = match Args::read(std::env::args().skip(1), &["in-process"]).map_err(End::from).and_then(run) {
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
        "crash" => {
            let plan = crash::Plan { kills: args.option_or("kills", 50)?, seed: args.option_or("seed", 1)? };
            args.finish()?;
            crash::run(&plan)?.lines()
        }
        #[cfg(feature = "mutants")]
        "mutants" => return mutants_all(args),
        #[cfg(feature = "mutants")]
        "mutant-child" => return mutant_child(args),
        "postgres" => postgres(args)?,
        // The two that this program starts itself.
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
        other => return Err(End::WrongArguments(format!("there is no command {other:?}"))),
    };
    std::io::stdout().write_all(lines.as_bytes())?;
    Ok(())
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

fn crash_child(mut args: Args) -> Result<(), End> {
    let (place, seed) = (args.path("store")?, args.option_or("seed", 1)?);
    args.finish()?;
    Ok(crash::child::write(&place, seed)?)
}
