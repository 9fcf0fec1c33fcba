//! `status`, `tables` and `locks`: of the running program, where it serves them, else of the store itself.

use std::io::{self, Read, Write};
use std::path::Path;

use gangline::{Db, ErrorKind};
use serde_json::Value;

use crate::failure::{Failure, Outcome, Result};
use crate::output;
use crate::store::{closed, open};

pub(crate) fn status(store: &Path) -> Result {
    let of_store = |db: &Db| Ok(vec![value(&db.status()?)?]);
    tell(store, |live| vec![live["status"].take()], of_store)
}

pub(crate) fn tables(store: &Path) -> Result {
    let of_store = |db: &Db| db.tables()?.iter().map(value).collect();
    tell(store, |live| live["tables"].as_array().cloned().unwrap_or_default(), of_store)
}

pub(crate) fn locks(store: &Path, text: bool) -> Result {
    let Some(mut live) = ask(store)? else {
        // Says so where there is no store, and that a program has it open which does not serve it.
        closed(open(store)?, Ok(()))?;
        return Err(Failure::Other("no program has the store open, so nobody holds a lock".to_owned()));
    };
    if text {
        let mut out = output::standard();
        return show(&live["locks"], &mut out)
            .and_then(|()| out.flush())
            .map(|()| Outcome::Fine)
            .map_err(output::failed);
    }
    output::line(&live["locks"].take()).map(|()| Outcome::Fine)
}

fn tell(
    store: &Path,
    of_live: impl Fn(&mut Value) -> Vec<Value>,
    of_store: impl Fn(&Db) -> Result<Vec<Value>>,
) -> Result {
    let lines = match open(store) {
        Ok(db) => {
            let lines = of_store(&db);
            closed(db, lines)?
        }
        Err(Failure::Store(error)) if error.kind() == ErrorKind::AlreadyOpen => match ask(store)? {
            Some(mut live) => of_live(&mut live),
            None => return Err(error.into()),
        },
        Err(failure) => return Err(failure),
    };
    lines.iter().try_for_each(output::line)?;
    Ok(Outcome::Fine)
}

fn value(object: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(object).map_err(|error| output::failed(error.into()))
}

/// What the running program says of itself. None when nobody answers.
#[cfg(unix)]
fn ask(store: &Path) -> Result<Option<Value>> {
    let path = store.join("status.socket");
    let failed = |error: io::Error| Failure::io("ask the socket", &path, error);
    let mut stream = match std::os::unix::net::UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&error.kind()) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).map_err(failed)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(failed)?;
    let live: Value = serde_json::from_str(&text).map_err(|error| failed(error.into()))?;
    match live["error"].as_str() {
        Some(error) => Err(failed(io::Error::other(error.to_owned()))),
        None => Ok(Some(live)),
    }
}

#[cfg(not(unix))]
fn ask(_store: &Path) -> Result<Option<Value>> {
    Ok(None)
}

/// The dump of locks for eyes.
fn show(locks: &Value, out: &mut impl Write) -> io::Result<()> {
    let empty = Vec::new();
    for granule in locks["granules"].as_array().unwrap_or(&empty) {
        writeln!(out, "{}", plain(&granule["granule"]))?;
        for (word, list) in [("held", "holders"), ("wait", "waiting")] {
            for holder in granule[list].as_array().unwrap_or(&empty) {
                let ms = holder["age_ns"].as_u64().unwrap_or_default() / 1_000_000;
                let label = holder["label"].as_str().map(|label| format!(" {label:?}")).unwrap_or_default();
                let (mode, caller) = (plain(&holder["mode"]), plain(&holder["caller"]));
                let thread = plain(&holder["thread"]);
                writeln!(
                    out,
                    "  {mode:4}{word} {ms} ms by {}{label} on thread {thread:?}, from {caller}",
                    holder["id"]
                )?;
            }
        }
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
