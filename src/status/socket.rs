//! A socket beside the files of a live store, that tells whoever connects what the database says of itself: counters,
//! tables, and who holds and waits for which lock.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::{Status, TableInfo};
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::LockDump;

/// The socket's name in the folder of the store.
const NAME: &str = "status.socket";

/// What a live database says of itself to another process, as one line of JSON.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LiveStatus {
    /// The process that has the store open.
    pub process: u32,
    /// Counters and sizes.
    pub status: Status,
    /// The tables of the program.
    pub tables: Vec<TableInfo>,
    /// Who holds and waits for what.
    pub locks: LockDump,
}

/// Tells other processes of a live database, until it is dropped: see [`Db::serve_status`].
pub struct StatusSocket {
    path: PathBuf,
    #[cfg(unix)]
    server: Option<unix::Server>,
}

impl fmt::Debug for StatusSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusSocket").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Db {
    /// What the database says of itself, all at once.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub fn live_status(&self) -> Result<LiveStatus> {
        let (status, tables) = (self.status()?, self.tables()?);
        Ok(LiveStatus { process: std::process::id(), status, tables, locks: self.locks().dump() })
    }

    /// Lets other processes of the same user ask for [`live_status`](Self::live_status) while the guard lives: `gangline locks
    /// STORE` and `gangline status STORE` do, by the socket `status.socket` in the store's folder. Whoever connects gets
    /// the JSON and the end of the stream.
    ///
    /// It costs a thread that sleeps, and nothing while nobody asks. It does not keep the database open.
    ///
    /// ```
    /// # fn main() -> gangline::Result<()> {
    /// # if cfg!(not(unix)) { return Ok(()) }
    /// let db = gangline::Db::temporary()?;
    /// let _socket = db.serve_status()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a database in memory, [`Io`](ErrorKind::Io) where the socket cannot be
    /// made: the path of the folder may be too long for one (some 90 bytes), or the database serves it already;
    /// [`Unsupported`](ErrorKind::Unsupported) on a system without Unix sockets.
    pub fn serve_status(&self) -> Result<StatusSocket> {
        self.engine().check_alive()?;
        let folder = self.folder().ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "a database in memory has no folder for a status socket")
        })?;
        self.serve_at(folder.join(NAME))
    }
}

#[cfg(not(unix))]
impl Db {
    fn serve_at(&self, path: PathBuf) -> Result<StatusSocket> {
        Err(Error::new(ErrorKind::Unsupported, format!("this system has no sockets like {}", path.display())))
    }
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::io::{self, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    use super::StatusSocket;
    use crate::db::{Db, WeakDb};
    use crate::error::{Error, Result};

    /// Longest wait for one who asks and does not take the answer. The next one waits as long.
    const PATIENCE: Duration = Duration::from_secs(2);

    pub(super) struct Server {
        ends: Arc<AtomicBool>,
        thread: JoinHandle<()>,
    }

    impl Db {
        pub(super) fn serve_at(&self, path: PathBuf) -> Result<StatusSocket> {
            let failed = |error| Error::io("make the socket", &path, error);
            if UnixStream::connect(&path).is_ok() {
                return Err(failed(io::Error::new(io::ErrorKind::AddrInUse, "it is served already")));
            }
            // Nobody else has the store open, so one that nobody serves is left from a process that is gone.
            let _ = fs::remove_file(&path);
            let listener = UnixListener::bind(&path).map_err(failed)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
            let ends = Arc::new(AtomicBool::new(false));
            let (db, seen) = (self.downgrade(), Arc::clone(&ends));
            let thread = thread::Builder::new()
                .name("gangline-status".to_owned())
                .spawn(move || serve(&listener, &db, &seen))
                .map_err(failed)?;
            Ok(StatusSocket { path, server: Some(Server { ends, thread }) })
        }
    }

    fn serve(listener: &UnixListener, db: &WeakDb, ends: &AtomicBool) {
        while let Ok((mut stream, _)) = listener.accept() {
            if ends.load(Ordering::Acquire) {
                return;
            }
            // One who asks and goes away again is no matter of the database.
            let _ = answer(&mut stream, db);
        }
    }

    fn answer(stream: &mut UnixStream, db: &WeakDb) -> io::Result<()> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let Some(db) = db.upgrade() else { return Ok(()) };
        let said = db.live_status();
        // Whoever takes long to read must not keep the database open.
        drop(db);
        let mut line = match said {
            Ok(said) => serde_json::to_string(&said)?,
            Err(error) => serde_json::json!({ "error": error.to_string() }).to_string(),
        };
        line.push('\n');
        stream.write_all(line.as_bytes())
    }

    impl Server {
        fn end(self, path: &Path) {
            self.ends.store(true, Ordering::Release);
            // Wakes the thread. Where somebody has removed the socket it sleeps on, and holds nothing of the database.
            let woken = UnixStream::connect(path).is_ok();
            let _ = fs::remove_file(path);
            if woken {
                let _ = self.thread.join();
            }
        }
    }

    impl Drop for StatusSocket {
        fn drop(&mut self) {
            if let Some(server) = self.server.take() {
                server.end(&self.path);
            }
        }
    }
}
