//! The pages as they are served: by a browser without a window, and by hostile hands.
//!
//! The browser is Chromium, from the `PATH` or from `GANGLINE_CHROMIUM`. Where there is none, its tests fail and say so;
//! `GANGLINE_NO_BROWSER=1` leaves them out. With `GANGLINE_SCREENSHOTS=DIR` each page is kept as it was seen.

#![expect(clippy::unwrap_used, reason = "in a test whatever is not as expected is a failure")]

mod browser;
mod hostile;
mod http;
mod live;
mod pages;
mod program;
