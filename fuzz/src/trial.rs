//! Runs this program once more as a child process, with an end to its patience.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It ended well, and said this.
    Said(String),
    /// It ended badly, and said this.
    Failed(String),
    /// It panicked, aborted or was ended by a signal.
    Died(String),
    /// It did not end in time, and was killed.
    Hung,
}

/// The exit code of a child that found something and says what.
pub const FOUND: i32 = 1;

/// Runs a child to its end or to the limit.
pub fn run(command: &mut Command, limit: Duration) -> Result<Ending, Failure> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut readers = Vec::new();
    let outputs: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|pipe| Box::new(pipe) as _), child.stderr.take().map(|pipe| Box::new(pipe) as _)];
    for mut output in outputs.into_iter().flatten() {
        readers.push(std::thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read is missing in the report; the exit code counts.
            drop(output.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        }));
    }
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(5));
    };
    let text: String = readers.into_iter().map(|reader| reader.join().unwrap_or_default()).collect();
    Ok(match status {
        None => Ending::Hung,
        Some(status) if status.success() => Ending::Said(text),
        Some(status) if status.code() == Some(FOUND) => Ending::Failed(text),
        Some(status) => Ending::Died(format!("{status}: {text}")),
    })
}

/// The value of a `name value` line.
pub fn value(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// A command that is this program.
pub fn ourselves(words: &[&str]) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Ending {
        run(Command::new("sh").args(["-c", script]), limit).expect("a shell starts")
    }

    #[test]
    fn each_ending_is_told_from_the_others() {
        let long = Duration::from_secs(60);
        assert_eq!(shell("echo lost 3", long), Ending::Said("lost 3\n".to_owned()));
        assert_eq!(shell("echo no >&2; exit 1", long), Ending::Failed("no\n".to_owned()));
        assert!(matches!(shell("kill -ABRT $$", long), Ending::Died(_)));
        assert!(matches!(shell("exit 101", long), Ending::Died(_)));
        assert_eq!(shell("exec sleep 600", Duration::from_millis(50)), Ending::Hung);
        assert_eq!(value("lost 3\ntorn 4\n", "torn"), Some(4));
        assert_eq!(value("lost 3", "los"), None);
    }
}
