//! The program under test: started on a store of its own, and told to end as a person would.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

/// A program that serves. It is killed when this is dropped without [`Program::end`].
pub(crate) struct Program {
    child: Child,
    log: Option<JoinHandle<String>>,
    pub(crate) port: u16,
    /// The `name value` lines before the address.
    pub(crate) said: String,
    pub(crate) folder: TempDir,
}

impl Program {
    /// On the built-in sample.
    pub(crate) fn start() -> Self {
        Program::on(tempfile::tempdir().unwrap())
    }

    /// On the store in a folder, which is made if it is not there.
    pub(crate) fn on(folder: TempDir) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gangline-statistics"))
            .args(["serve", "--port", "0", "--store"])
            .arg(store(folder.path()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let (said, port) = address(child.stdout.take().unwrap());
        Program { child, log: Some(log), port, said, folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Sends a signal, waits for the end, and gives the log and the folder. The exit code must be 0.
    pub(crate) fn end(mut self, signal: &str) -> (String, TempDir) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        assert!(status.success(), "{status}: {log}");
        (log, std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

pub(crate) fn store(folder: &Path) -> std::path::PathBuf {
    folder.join("olist.gangline")
}

fn address(stdout: ChildStdout) -> (String, u16) {
    let mut said = String::new();
    for line in BufReader::new(stdout).lines() {
        let line = line.unwrap();
        if let Some(url) = line.strip_prefix("open http://127.0.0.1:") {
            return (said, url.trim_end_matches('/').parse().unwrap());
        }
        said += &(line + "\n");
    }
    panic!("the program ended before it served: {said}");
}
