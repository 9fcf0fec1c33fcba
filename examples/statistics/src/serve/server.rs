//! Connections: how many there may be, how large a request's head may be and how long it may take, and how they end.

use std::io;
use std::net;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::gate::Gate;

/// Connections at once; further ones wait to be accepted.
const CONNECTIONS: usize = 256;
/// For the head of a request, from its first byte or from the end of the answer before.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
const MOST_HEAD_BYTES: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// For the answers that are under way when the server stops.
const END_WITHIN: Duration = Duration::from_secs(5);
/// After the system could not give a connection, as when there are too many files open.
const BREATH: Duration = Duration::from_millis(50);

/// The listener in the form that the runtime needs, whose context this is called in.
pub(super) fn listener(listener: net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Serves until `stop` is true, then lets what is under way end.
pub(super) async fn serve(listener: TcpListener, gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let (permits, connections) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = stop.wait_for(|stopped| *stopped) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let gate = Arc::clone(&gate);
        let answer = service_fn(move |request: hyper::Request<Incoming>| {
            let gate = Arc::clone(&gate);
            async move { gate.answer(request.map(Body::new)).await }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(MOST_HEAD_BYTES)
            .max_headers(MOST_HEADERS)
            .serve_connection(TokioIo::new(stream), answer);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // One that breaks off is the visitor's business.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(END_WITHIN, connections.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}
