//! What the server asks of every request, and says in every answer.
//!
//! Only GET is answered, but for the live actions. Those need a token that stands in the page and that no other site can
//! read, and must not come from another site by what the browser says of itself. A request for another host's name is
//! not ours: it comes from a name that somebody has pointed at this machine.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::page::Refusal;
use crate::error::{Error, Result};

/// Longest path with its query.
const MOST_PATH: usize = 2_048;
/// Time for the answer to one request, without the live stream.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Requests that are in work at once; further ones wait for a moment, many further ones are refused.
pub(super) const AT_ONCE: usize = 96;

/// Nothing is loaded from anywhere else, no script stands in a page, and no other page may frame this one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const ALWAYS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not "no-referrer": a form would then say that it comes from nowhere.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The secret of the forms, new with each start.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    pub(super) fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        let asked = getrandom::fill(&mut bytes);
        asked.map_err(|error| Error::Serve { action: "make a token".to_owned(), source: error.into() })?;
        Ok(Token(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Takes as long for a wrong text as for the right one.
    pub(super) fn is(&self, text: &str) -> bool {
        let differences = self.0.bytes().zip(text.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
        self.0.len() == text.len() && differences == 0
    }
}

/// Refuses what is not ours, and adds the headers of every answer.
pub(super) async fn answer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match refusal(&request) {
        Some((status, text)) => Refusal::Status(status, text).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    app.live.count_request();
    if method == Method::GET {
        tracing::debug!(%method, path, status);
    } else {
        tracing::info!(%method, path, status);
    }
    response
}

fn refusal(request: &Request) -> Option<(StatusCode, &'static str)> {
    let asked = request.uri().path_and_query().map_or("", |asked| asked.as_str());
    if asked.len() > MOST_PATH {
        return Some((StatusCode::URI_TOO_LONG, "The address is too long."));
    }
    if !is_local(request.headers()) {
        return Some((StatusCode::MISDIRECTED_REQUEST, "This server answers for this machine's own names only."));
    }
    if request.method() != Method::GET && request.method() != Method::HEAD && !is_from_here(request.headers()) {
        return Some((StatusCode::FORBIDDEN, "Live actions are taken from the page of this server only."));
    }
    None
}

/// Whether the request was made to a name of the loopback interface.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// Whether a browser says that the request comes from a page of this server. Programs say nothing.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin = text("origin")
        .is_none_or(|origin| origin.strip_prefix("http://").is_some_and(|origin| Some(origin) == text("host")));
    site && origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["localhost", "localhost:7070", "127.0.0.1:1", "[::1]", "[::1]:80"] {
            assert!(is_local(&headers(&[("host", host)])), "{host}");
        }
        for host in ["", "example.org", "localhost.example.org:7070", "127.0.0.1:80:80", "localhost:", "[::1]x:80"] {
            assert!(!is_local(&headers(&[("host", host)])), "{host}");
        }
        assert!(!is_local(&HeaderMap::new()));
    }

    #[test]
    fn other_sites_take_no_action() {
        let here = ("host", "localhost:7070");
        assert!(is_from_here(&headers(&[here])));
        assert!(is_from_here(&headers(&[
            here,
            ("origin", "http://localhost:7070"),
            ("sec-fetch-site", "same-origin")
        ])));
        for other in [
            ("origin", "http://localhost:7071"),
            ("origin", "https://localhost:7070"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!is_from_here(&headers(&[here, other])), "{other:?}");
        }
    }

    #[test]
    fn a_token_is_itself_only() {
        let token = Token::random().unwrap();
        assert!(token.is(token.text()) && token.text().len() == 32);
        assert!(!token.is("") && !token.is(&token.text()[..31]) && !token.is(&"0".repeat(32)));
        assert!(!token.is(Token::random().unwrap().text()));
    }
}
