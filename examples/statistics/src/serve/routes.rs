//! Which address is answered by what.

use std::sync::Arc;

use axum::error_handling::HandleErrorLayer;
use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{BoxError, Router};
use maud::Markup;
use serde::Deserialize;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;

use super::app::App;
use super::drawing::{draw, draw_gathered};
use super::lists::{Wanted, list};
use super::manners::{ANSWER_WITHIN, AT_ONCE, answer};
use super::page::Refusal;
use super::{live, pages};
use crate::charts::palette::dark_style;
use crate::charts::studio::Shelf;
use crate::error::Error;

/// A form of a live action is a token and a button.
const MOST_BODY: usize = 1_024;

type Page = Result<Markup, Refusal>;
type Shared = State<Arc<App>>;

pub(super) fn router(app: Arc<App>) -> Router {
    let limited = Router::new()
        .route("/", get(overview))
        .route("/sellers", get(sellers))
        .route("/sellers/{id}", get(seller))
        .route("/products", get(products))
        .route("/products/{id}", get(product))
        .route("/reviews", get(reviews))
        .route("/live", get(live_page))
        .route("/live/{action}", post(live_action))
        .route("/style.css", get(style))
        .route("/live.js", get(async || asset("text/javascript; charset=utf-8", include_str!("live.js").to_owned())))
        .route("/icon.svg", get(async || asset("image/svg+xml", include_str!("icon.svg").to_owned())))
        .layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(overloaded))
                .layer(LoadShedLayer::new())
                .layer(GlobalConcurrencyLimitLayer::new(AT_ONCE))
                .layer(TimeoutLayer::new(ANSWER_WITHIN)),
        );
    Router::new()
        // A stream lasts, so it has no time-out; how many there are is a matter of the connections.
        .route("/live/events", get(live::events))
        .merge(limited)
        .fallback(async || Refusal::NotFound("There is no such page.".to_owned()))
        .method_not_allowed_fallback(async || {
            Refusal::Status(StatusCode::METHOD_NOT_ALLOWED, "This page can only be read.")
        })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), answer))
        .with_state(app)
}

async fn overloaded(error: BoxError) -> Refusal {
    if error.is::<tower::timeout::error::Elapsed>() {
        return Refusal::Status(StatusCode::SERVICE_UNAVAILABLE, "The page took too long.");
    }
    Refusal::Status(StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once; try again in a moment.")
}

/// Runs what reads the store on a thread that may wait.
async fn blocking<T: Send + 'static>(
    app: Arc<App>,
    work: impl FnOnce(&App) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(move || work(&app)).await;
    done.unwrap_or_else(|failed| Err(Refusal::Failed(Error::Chart(format!("the work on a page failed: {failed}")))))
}

async fn overview(State(app): Shared) -> Page {
    blocking(app, |app| Ok(pages::overview(app)?)).await
}

async fn sellers(State(app): Shared, Query(wanted): Query<Wanted>) -> Page {
    blocking(app, move |app| Ok(list(app, Shelf::Sellers, &wanted)?)).await
}

async fn products(State(app): Shared, Query(wanted): Query<Wanted>) -> Page {
    blocking(app, move |app| Ok(list(app, Shelf::Products, &wanted)?)).await
}

/// The charts are mapped over the pool, and waited for.
async fn seller(State(app): Shared, Path(id): Path<String>) -> Page {
    blocking(app, move |app| {
        let sketch = pages::sketch(app, Shelf::Sellers, &id)?;
        let drawn = draw(&app.db, sketch.figures())?;
        Ok(sketch.page(&drawn))
    })
    .await
}

/// The charts are tasks of the pool, and awaited.
async fn product(State(app): Shared, Path(id): Path<String>) -> Page {
    let sketch = blocking(Arc::clone(&app), move |app| pages::sketch(app, Shelf::Products, &id)).await?;
    let drawn = draw_gathered(&app.db, sketch.figures()).await?;
    Ok(sketch.page(&drawn))
}

async fn reviews(State(app): Shared, Query(wanted): Query<Wanted>) -> Page {
    blocking(app, move |app| Ok(pages::reviews(app, &wanted)?)).await
}

async fn live_page(State(app): Shared) -> Page {
    blocking(app, |app| Ok(live::page(app)?)).await
}

#[derive(Deserialize)]
struct Signed {
    token: String,
}

async fn live_action(
    State(app): Shared,
    Path(action): Path<String>,
    Form(signed): Form<Signed>,
) -> Result<Redirect, Refusal> {
    if !app.token.is(&signed.token) {
        return Err(Refusal::Status(StatusCode::FORBIDDEN, "The page is from an earlier start; load it again."));
    }
    blocking(app, move |app| app.live.act(&app.db, &action)).await?;
    Ok(Redirect::to("/live"))
}

async fn style() -> Response {
    let sheets = concat!(include_str!("../base.css"), include_str!("style.css"));
    asset("text/css; charset=utf-8", format!("{sheets}{}", dark_style()))
}

fn asset(kind: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=60")], text).into_response()
}
