//! `serve`: the statistics as pages on this machine, and a live page of shoppers who place orders.
//!
//! Reading order: `run` below; `server` accepts connections, `gate` answers until the store is loaded, `manners` says
//! what every request must keep to, and `routes` who answers it. `app` is what requests share. `lists` and `pages` write
//! pages in the frame of `page`, with charts by `drawing`. `live` has the shoppers, what they do to the numbers, and the
//! stream that shows it.
//!
//! A page is read from snapshots, so it never stops a writer, and writers never stop it.

mod app;
mod drawing;
mod gate;
mod lists;
mod live;
mod manners;
mod page;
mod pages;
mod routes;
mod server;

use std::env;
use std::io::{self, Write, stderr};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tracing::Level;

use crate::cli::ServeOptions;
use crate::data::load::holding;
use crate::error::{Error, Result};
use crate::store;
use app::App;
use gate::Gate;

/// Threads for what reads the store. More would only stand in each other's way.
const READERS: usize = 16;

/// Serves pages until the process is interrupted or told to end; then closes the store.
///
/// # Errors
///
/// Whatever is wrong with the data, the store or the port.
pub fn run(options: &ServeOptions, out: &mut dyn Write) -> Result<()> {
    log();
    let refused = |action: String| move |source: io::Error| Error::Serve { action, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
        .map_err(refused(format!("listen on port {} (choose another with --port)", options.port)))?;
    let address = listener.local_addr().map_err(refused("tell the port".to_owned()))?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(READERS)
        .enable_all()
        .build()
        .map_err(refused("start the threads of the server".to_owned()))?;
    let mut stop = stop_signal(&runtime).map_err(refused("listen to signals".to_owned()))?;
    let gate = Arc::new(Gate::default());
    let server = {
        let _inside = runtime.enter();
        let listener = server::listener(listener).map_err(refused("serve connections".to_owned()))?;
        runtime.spawn(server::serve(listener, Arc::clone(&gate), stop.clone()))
    };
    tracing::info!(%address, store = %options.store.display(), "started");

    let db = store::open(&options.store, options.data.as_deref(), out, &|done, total| gate.loaded(done, total))?;
    let held = holding(&db)?.ok_or_else(|| Error::NoData("the store holds no data".to_owned()))?;
    let app = Arc::new(App::new(db.clone(), &held)?);
    gate.open(routes::router(Arc::clone(&app)));
    writeln!(out, "open http://{address}/").and_then(|()| out.flush()).map_err(Error::standard_output)?;

    // The sender lives as long as the runtime, so this ends by a signal only.
    _ = runtime.block_on(stop.wait_for(|stopped| *stopped));
    tracing::info!("stopping");
    app.live.stop();
    _ = runtime.block_on(server);
    drop(runtime);
    db.close()?;
    tracing::info!("closed");
    Ok(())
}

/// Log lines go to standard error. `GANGLINE_LOG` says from which level on: error, warn, info (default), debug, trace.
fn log() {
    let level = env::var("GANGLINE_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    // Only fails where a log is set up already: then that one is used.
    _ = tracing_subscriber::fmt().with_writer(stderr).with_ansi(false).with_max_level(level).try_init();
}

/// Becomes true when the process is told to end. Listens from now on.
fn stop_signal(runtime: &Runtime) -> io::Result<watch::Receiver<bool>> {
    let _inside = runtime.enter();
    let (stop, stopped) = watch::channel(false);
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut end) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        runtime.spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = end.recv() => {}
            }
            stop.send_replace(true);
            // Whoever asks once more does not want to wait.
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = end.recv() => {}
            }
            std::process::exit(1);
        });
    }
    #[cfg(not(unix))]
    runtime.spawn(async move {
        _ = tokio::signal::ctrl_c().await;
        stop.send_replace(true);
    });
    Ok(stopped)
}
