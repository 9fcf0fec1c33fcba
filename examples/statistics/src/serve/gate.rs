//! What answers while the store is being loaded: a page that says how far it is, and asks again by itself.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, html};
use tokio::sync::Notify;
use tower::ServiceExt;

/// Whatever takes longer shows its progress.
const PATIENCE: Duration = Duration::from_millis(450);

/// Closed until the store is loaded.
#[derive(Default)]
pub(super) struct Gate {
    router: OnceLock<Router>,
    opened: Notify,
    done: AtomicUsize,
    total: AtomicUsize,
}

impl Gate {
    /// So many batches are loaded, of so many.
    pub(super) fn loaded(&self, done: usize, total: usize) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }

    /// From now on this answers.
    pub(super) fn open(&self, router: Router) {
        // It is opened once.
        _ = self.router.set(router);
        self.opened.notify_waiters();
    }

    pub(super) async fn answer(&self, request: Request<Body>) -> Result<Response, Infallible> {
        if self.router.get().is_none() {
            let opened = self.opened.notified();
            if self.router.get().is_none() {
                _ = tokio::time::timeout(PATIENCE, opened).await;
            }
        }
        match self.router.get() {
            Some(router) => router.clone().oneshot(request).await,
            None => Ok(self.loading()),
        }
    }

    fn loading(&self) -> Response {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="refresh" content="1";
                    title { "Loading · Marketplace statistics" }
                }
                body {
                    h1 { "The store is being loaded" }
                    @if total == 0 {
                        p { progress aria-label="Loading" {} " reading the files" }
                    } @else {
                        p { progress aria-label="Loading" max=(total) value=(done) {} " " (done) " of " (total) " batches" }
                    }
                    p { "This page asks again every second." }
                }
            }
        };
        let headers = [
            (header::RETRY_AFTER, "1"),
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        ];
        (StatusCode::SERVICE_UNAVAILABLE, headers, page).into_response()
    }
}
