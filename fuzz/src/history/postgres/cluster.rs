//! A PostgreSQL server of our own in a temporary folder, or one that is there already.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// The account that servers run under when this program is root, since PostgreSQL refuses root.
const ACCOUNT: &str = "postgres";

/// A server, stopped and removed when dropped if it is our own.
#[derive(Debug)]
pub(super) struct Cluster {
    /// What clients connect to.
    pub(super) url: String,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    binaries: PathBuf,
    root: bool,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// A server that somebody else runs.
    pub(super) fn at(url: &str) -> Cluster {
        Cluster { url: url.to_owned(), own: None }
    }

    /// Makes and starts a server that listens on a socket in its own folder only. It loses its data in a power cut,
    /// which nobody minds.
    pub(super) fn start() -> Result<Cluster, Failure> {
        let binaries = binaries()?;
        let folder = tempfile::Builder::new().prefix("pg").tempdir()?;
        let root = number("-u", None)? == 0;
        if root {
            let (user, group) = (number("-u", Some(ACCOUNT))?, number("-g", Some(ACCOUNT))?);
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group))?;
        }
        let own = Own { binaries, root, folder };
        let data = own.data();
        let (path, socket) = (display(&data)?, display(own.folder.path())?);
        own.run("initdb", &["-D", &path, "-U", ACCOUNT, "-A", "trust", "-E", "UTF8", "--no-sync"])?;
        let options = format!(
            "-k {socket} -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
             -c deadlock_timeout=20ms"
        );
        let log = display(&own.folder.path().join("log"))?;
        own.run("pg_ctl", &["-D", &path, "-l", &log, "-o", &options, "-w", "start"])?;
        Ok(Cluster { url: format!("host={socket} user={ACCOUNT} dbname=postgres"), own: Some(own) })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(own) = &self.own
            && let Ok(path) = display(&own.data())
        {
            // A server that is gone already is as good as stopped.
            drop(own.run("pg_ctl", &["-D", &path, "-m", "immediate", "-w", "stop"]));
        }
    }
}

impl Own {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<(), Failure> {
        let program = self.binaries.join(program);
        let mut command = match self.root {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups"]).arg(&program);
                command
            }
            false => Command::new(&program),
        };
        // The server inherits what is open, so what `pg_ctl` starts must not hold our pipes.
        let output = self.folder.path().join("output");
        let written = std::fs::File::create(&output)?;
        let status = command.args(words).current_dir(self.folder.path()).stdout(written.try_clone()?).stderr(written);
        let status = status.status().map_err(|error| Failure(format!("{command:?} cannot be started: {error}")))?;
        if status.success() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&output).unwrap_or_default();
        Err(Failure(format!("{} ended with {status}: {}", program.display(), text.trim())))
    }
}

/// Where `initdb` and `pg_ctl` are: in the search path, or where Debian keeps them.
fn binaries() -> Result<PathBuf, Failure> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&search).collect();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    let found = folders.into_iter().find(|folder| ["initdb", "pg_ctl"].iter().all(|name| folder.join(name).is_file()));
    found.ok_or_else(|| {
        Failure(
            "there is no PostgreSQL: install its server, put `initdb` into the path, or give --server URL".to_owned(),
        )
    })
}

/// The number of a user or group, as `id` says.
fn number(what: &str, account: Option<&str>) -> Result<u32, Failure> {
    let output = Command::new("id").arg(what).args(account).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().map_err(|_| {
        let account = account.unwrap_or("this user");
        Failure(format!("`id` knows no number of {account}: make the account, run without root, or give --server URL"))
    })
}

fn display(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure(format!("PostgreSQL cannot be told of the path {path:?}")))
}
