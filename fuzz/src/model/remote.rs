//! A store in a child process, which can be killed.
//!
//! The child is this same program. Operations go to it over its standard input, one a line; its replies come back over
//! its standard output. What it prints to standard error passes through.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use gangline::Durability;

use super::op::{Op, Promise};
use super::store::Store;
use crate::{Failure, describe};

/// A reply that takes longer than this is a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child process that has a store open.
#[derive(Debug)]
pub struct Remote {
    child: Child,
    input: Option<ChildStdin>,
    replies: Receiver<String>,
}

impl Remote {
    /// Starts a child and has it open the store.
    pub fn start(place: &Path, durability: Durability) -> Result<Remote, Failure> {
        let promise = match durability {
            Durability::Immediate => "immediate",
            Durability::Eventual => "eventual",
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["model-child", "--store"])
            .arg(place)
            .args(["--durability", promise])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().expect("its standard output is a pipe");
        let (sender, replies) = channel();
        // Ends with the child, whose end closes the pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut remote = Remote { input: child.stdin.take(), child, replies };
        remote.receive()?;
        Ok(remote)
    }

    /// Has the child do one operation.
    pub fn apply(&mut self, op: &Op) -> Result<String, Failure> {
        self.send(op)?;
        self.receive()
    }

    /// Kills the child, `delay_us` microseconds after it was sent an operation.
    pub fn kill(mut self, during: Option<&Op>, delay_us: u64) -> Result<(), Failure> {
        if let Some(op) = during {
            self.send(op)?;
            let end = Instant::now() + Duration::from_micros(delay_us);
            // A sleep would be tens of microseconds late; the moment is what matters here.
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Has the child close the store and end.
    pub fn close(mut self) -> Result<(), Failure> {
        drop(self.input.take());
        self.receive()?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(Failure(format!("the child ended with {status}"))) }
    }

    fn send(&mut self, op: &Op) -> Result<(), Failure> {
        let bytes = bincode::serde::encode_to_vec(op, bincode::config::standard())
            .map_err(|error| Failure(format!("cannot encode an operation: {error}")))?;
        let mut line: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        line.push('\n');
        let input = self.input.as_mut().expect("the input is open until the child is closed");
        input.write_all(line.as_bytes())?;
        Ok(())
    }

    fn receive(&mut self) -> Result<String, Failure> {
        let line = self.replies.recv_timeout(PATIENCE).map_err(|error| match error {
            std::sync::mpsc::RecvTimeoutError::Timeout => Failure(format!("no reply in {PATIENCE:?}")),
            std::sync::mpsc::RecvTimeoutError::Disconnected => Failure("the child ended".to_owned()),
        })?;
        match line.split_at_checked(1) {
            Some(("R", reply)) => Ok(reply.to_owned()),
            Some(("E", error)) => Err(Failure(error.to_owned())),
            _ => Err(Failure(format!("the child said {line:?}"))),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to kill and nothing to say.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the child does: opens the store, does what it is told, closes the store.
pub fn serve(place: &Path, promise: Promise) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    let mut say = |reply: Result<String, Failure>| {
        let line = match reply {
            Ok(text) => format!("R{text}\n"),
            Err(failure) => format!("E{failure}\n"),
        };
        output.write_all(line.as_bytes()).and_then(|()| output.flush())
    };
    let mut store = match Store::open(Some(place), promise.into()) {
        Ok(store) => store,
        Err(error) => return Ok(say(Err(Failure(format!("cannot open: {}", describe(&error)))))?),
    };
    say(Ok(String::new()))?;
    for line in std::io::stdin().lock().lines() {
        let op = decode(&line?)?;
        say(store.apply(&op).map_err(Failure::from))?;
    }
    say(store.close().map(|()| String::new()).map_err(Failure::from))?;
    Ok(())
}

fn decode(line: &str) -> Result<Op, Failure> {
    let bad = || Failure(format!("not an operation: {line:?}"));
    let bytes: Option<Vec<u8>> = (0..line.len() / 2)
        .map(|at| line.get(2 * at..2 * at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
        .collect();
    let decoded = bincode::serde::decode_from_slice(&bytes.ok_or_else(bad)?, bincode::config::standard());
    decoded.map(|(op, _)| op).map_err(|_| bad())
}
