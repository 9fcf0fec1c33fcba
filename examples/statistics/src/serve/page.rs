//! The frame of every page, and the pieces that pages share. Whatever is put between tags is escaped by the writer.

use std::fmt::Write;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::drawing::Drawn;
use crate::data::value::grouped;
use crate::error::{Error, in_one_line};

/// Places that every page links to.
const PLACES: [(&str, &str); 5] =
    [("/", "Overview"), ("/sellers", "Sellers"), ("/products", "Products"), ("/reviews", "Reviews"), ("/live", "Live")];

/// A page with its frame. `place` is the one of the links above that it belongs to.
pub(super) fn page(title: &str, place: &str, live: bool, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Marketplace statistics" }
                link rel="icon" type="image/svg+xml" href="/icon.svg";
                link rel="stylesheet" href="/style.css";
                @if live { script src="/live.js" defer {} }
            }
            body {
                a .skip href="#content" { "Skip to the content" }
                nav aria-label="Pages" {
                    span .brand { "Marketplace statistics" }
                    ul {
                        @for (path, name) in PLACES {
                            li { a href=(path) aria-current=[(path == place).then_some("page")] { (name) } }
                        }
                    }
                }
                main #content { (content) }
                footer {
                    p {
                        "Ids are anonymous. Money is in Brazilian reais (R$), without freight unless it says so. Times are "
                        "local. Whose data these are is said on the overview."
                    }
                }
            }
        }
    }
}

/// Charts, each with its numbers as a table below.
pub(super) fn figures(drawn: &[Drawn]) -> Markup {
    html! {
        div .grid {
            @for Drawn { figure, svg } in drawn {
                section .chart .all[figure.wide] {
                    h2 { (figure.heading) " " small { (figure.remark) } }
                    (PreEscaped(svg))
                    details {
                        summary { "As a table" }
                        div .scroll tabindex="0" role="region" aria-label={ (figure.heading) " as a table" } {
                            table {
                                thead { tr { @for column in figure.columns { th scope="col" { (column) } } } }
                                tbody {
                                    @for (name, value) in &figure.lines { tr { th scope="row" { (name) } td { (value) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Numbers with their names. The key of each is the id of its element, by which the live script finds it.
pub(super) fn tiles(numbers: &[(&str, &str, String)]) -> Markup {
    html! {
        dl .tiles {
            @for (id, name, value) in numbers { div { dt { (name) } dd id=(id) { (value) } } }
        }
    }
}

/// A count for people.
pub(super) fn count(number: u64) -> String {
    grouped(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A text inside the query of a link.
pub(super) fn encoded(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            _ = write!(safe, "%{byte:02X}");
        }
    }
    safe
}

/// Why a page is not shown.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is nothing of that name.
    NotFound(String),
    /// The request makes no sense, or is not allowed.
    Status(StatusCode, &'static str),
    /// The store or a chart failed.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Failed(error)
    }
}

impl From<gangline::Error> for Refusal {
    fn from(error: gangline::Error) -> Self {
        Refusal::Failed(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Refusal::NotFound(text) => (StatusCode::NOT_FOUND, text),
            Refusal::Status(status, text) => (status, text.to_owned()),
            Refusal::Failed(error) => {
                // The reason is for whoever runs the server, not for whoever asks.
                tracing::error!(error = in_one_line(&error), "a page failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made; the log says why.".to_owned())
            }
        };
        let title = status.canonical_reason().unwrap_or("Refused");
        let content = html! { h1 { (title) } p { (text) } p { a href="/" { "Back to the overview" } } };
        (status, page(title, "", false, &content)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_by_the_writer_and_encoded_in_links() {
        let hostile = "<script>alert(\"1\")</script>&";
        let text = page(hostile, "/", false, &html! { p title=(hostile) { (hostile) } }).into_string();
        assert!(!text.contains("<script>") && text.matches("&lt;script&gt;").count() == 3, "{text}");
        assert_eq!(encoded("são &x=1#"), "s%C3%A3o%20%26x%3D1%23");
    }
}
