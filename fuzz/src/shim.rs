//! Finds the library that is preloaded into child processes, and starts them with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Failure;

const FILE: &str = "libgangline_torture_shim.so";
const PACKAGE: &str = "gangline-torture-shim";

/// What the library is to do in one child.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// The folder whose files are watched.
    pub root: PathBuf,
    /// Where events are written to; nowhere if it is not given.
    pub trace: Option<PathBuf>,
    /// How much longer each sync takes.
    pub sync_delay: Duration,
    /// Which call fails: see the library's `fault.rs`.
    pub fault: Option<String>,
}

impl Watch {
    /// Puts the library and its orders into a child's environment.
    pub fn apply(&self, command: &mut Command, library: &Path) {
        command.env("LD_PRELOAD", library).env("GANGLINE_SHIM_ROOT", &self.root);
        command.env("GANGLINE_SHIM_SYNC_US", self.sync_delay.as_micros().to_string());
        if let Some(trace) = &self.trace {
            command.env("GANGLINE_SHIM_TRACE", trace);
        }
        if let Some(fault) = &self.fault {
            command.env("GANGLINE_SHIM_FAULT", fault);
        }
    }
}

/// The path of the library. Under cargo it is built, which takes a moment when it is there already; else it must lie
/// beside the program.
pub fn library() -> Result<PathBuf, Failure> {
    if !cfg!(all(target_os = "linux", target_pointer_width = "64")) {
        return Err(Failure("system calls are recorded on 64-bit Linux only".to_owned()));
    }
    let program = std::env::current_exe()?;
    let folder = program.parent().expect("a program lies in a folder");
    let path = folder.join(FILE);
    if let (Some(cargo), Some(target)) = (std::env::var_os("CARGO"), folder.parent()) {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", PACKAGE, "--manifest-path"]).arg(manifest);
        build.arg("--target-dir").arg(target);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status()?;
        if !built.success() {
            return Err(Failure(format!("cannot build {PACKAGE}: {built}")));
        }
    }
    match path.exists() {
        true => Ok(path),
        false => {
            Err(Failure(format!("{} is missing: build it with cargo build --release -p {PACKAGE}", path.display())))
        }
    }
}
