//! The lists of sellers and products: search, sort, pages, a sparkline a line.

use std::cmp::Ordering;

use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use super::app::App;
use super::drawing::sparklines;
use super::page::{count, encoded, page};
use crate::catalogue::Entry;
use crate::charts::studio::Shelf;
use crate::error::Result;

const LINES: usize = 25;
/// More of a search is not looked at.
const MOST_SEARCHED: usize = 80;

/// What the address of a list asks for. Anything that makes no sense counts as not given.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Wanted {
    q: Option<String>,
    sort: Option<String>,
    order: Option<String>,
    page: Option<String>,
    /// Of the reviews only.
    pub(super) score: Option<String>,
}

impl Wanted {
    /// The searched text, in lower case.
    pub(super) fn text(&self) -> String {
        let text = self.q.as_deref().unwrap_or_default().trim();
        text.chars().take(MOST_SEARCHED).collect::<String>().to_lowercase()
    }

    /// The page that is asked for, from 1, of those that there are.
    pub(super) fn page_of(&self, pages: usize) -> usize {
        self.page.as_deref().and_then(|page| page.parse().ok()).unwrap_or(1).clamp(1, pages.max(1))
    }
}

/// A column to sort by. Names go up at first, numbers down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    Town,
    Group,
    Items,
    Revenue,
}

impl Column {
    fn of(shelf: Shelf) -> &'static [(Column, &'static str)] {
        match shelf {
            Shelf::Sellers => &[
                (Column::Id, "Seller"),
                (Column::Town, "Town"),
                (Column::Group, "State"),
                (Column::Items, "Items"),
                (Column::Revenue, "Revenue, R$"),
            ],
            Shelf::Products => &[
                (Column::Id, "Product"),
                (Column::Group, "Category"),
                (Column::Items, "Items"),
                (Column::Revenue, "Revenue, R$"),
            ],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Column::Id => "id",
            Column::Town => "town",
            Column::Group => "group",
            Column::Items => "items",
            Column::Revenue => "revenue",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Column::Items | Column::Revenue)
    }

    fn compare(self, one: &Entry, other: &Entry) -> Ordering {
        match self {
            Column::Id => Ordering::Equal,
            Column::Town => one.town.cmp(&other.town),
            Column::Group => one.group.cmp(&other.group),
            Column::Items => one.sales.items.cmp(&other.sales.items),
            Column::Revenue => one.sales.revenue.cmp(&other.sales.revenue),
        }
    }
}

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sort {
    column: Column,
    up: bool,
}

impl Sort {
    fn wanted(wanted: &Wanted, shelf: Shelf) -> Self {
        let named = |name: &str| Column::of(shelf).iter().map(|(column, _)| *column).find(|known| known.name() == name);
        let column = wanted.sort.as_deref().and_then(named).unwrap_or(Column::Revenue);
        let up = match wanted.order.as_deref() {
            Some("up") => true,
            Some("down") => false,
            _ => !column.is_number(),
        };
        Sort { column, up }
    }

    /// Equal ones in the order of their ids, so that a page never shows what another has shown.
    fn compare(self, one: &Entry, other: &Entry) -> Ordering {
        let by_column = self.column.compare(one, other);
        let by_id = one.id.cmp(&other.id);
        match (self.up, self.column) {
            (true, _) => by_column.then(by_id),
            (false, Column::Id) => by_id.reverse(),
            (false, _) => by_column.reverse().then(by_id),
        }
    }

    fn query(self, text: &str, page: usize) -> String {
        let order = if self.up { "up" } else { "down" };
        format!("?q={}&sort={}&order={order}&page={page}", encoded(text), self.column.name())
    }
}

/// The list of one shelf.
pub(super) fn list(app: &App, shelf: Shelf, wanted: &Wanted) -> Result<Markup> {
    let shown = app.shown()?;
    let catalogue = &shown.catalogue;
    let (text, sort) = (wanted.text(), Sort::wanted(wanted, shelf));
    let mut found: Vec<&Entry> = catalogue.shelf(shelf).iter().filter(|entry| matches(entry, &text)).collect();
    found.sort_by(|one, other| sort.compare(one, other));
    let pages = found.len().div_ceil(LINES);
    let at = wanted.page_of(pages);
    let lines: Vec<&Entry> = found.iter().copied().skip((at - 1) * LINES).take(LINES).collect();
    let sparks = sparklines(&app.db, &app.studio, &lines)?;
    let (title, path, hint) = match shelf {
        Shelf::Sellers => ("Sellers", "/sellers", "Id, town or state"),
        Shelf::Products => ("Products", "/products", "Id or category"),
    };
    let content = html! {
        h1 { (title) }
        (search(path, hint, &text, &html! {
            input type="hidden" name="sort" value=(sort.column.name());
            input type="hidden" name="order" value=(if sort.up { "up" } else { "down" });
        }))
        p #found role="status" { (count(found.len() as u64)) " of " (count(catalogue.shelf(shelf).len() as u64)) " " (path[1..]) }
        @if lines.is_empty() { p { "Nothing of that kind is in the store." } } @else {
            section { div .scroll .tall tabindex="0" role="region" aria-label=(title) {
                table #list {
                    thead { tr {
                        @for (column, name) in Column::of(shelf) { (heading(sort, *column, name, &text)) }
                        th scope="col" { "By month" }
                    } }
                    tbody { @for (entry, spark) in lines.iter().zip(&sparks) { (line(shelf, path, entry, spark)) } }
                }
            } }
        }
        (pager(path, at, pages, |page| sort.query(&text, page)))
    };
    Ok(page(title, path, false, &content))
}

fn matches(entry: &Entry, text: &str) -> bool {
    text.is_empty()
        || entry.id.to_string().starts_with(text)
        || entry.town.to_lowercase().contains(text)
        || entry.group.to_lowercase().contains(text)
}

/// A column's heading is a link that sorts by it, or turns the order round.
fn heading(sort: Sort, column: Column, name: &str, text: &str) -> Markup {
    let sorted = sort.column == column;
    let next = Sort { column, up: if sorted { !sort.up } else { !column.is_number() } };
    let state = sorted.then_some(if sort.up { "ascending" } else { "descending" });
    html! {
        th scope="col" .text[!column.is_number()] aria-sort=[state] {
            a href=(next.query(text, 1)) { (name) @if sorted { span aria-hidden="true" { (if sort.up { " ▲" } else { " ▼" }) } } }
        }
    }
}

fn line(shelf: Shelf, path: &str, entry: &Entry, spark: &str) -> Markup {
    html! {
        tr {
            th scope="row" .text { a href={ (path) "/" (entry.id) } { code { (entry.id.short()) } } }
            @if shelf == Shelf::Sellers { td .text { (entry.town) } }
            td .text { (entry.group) }
            td { (count(entry.sales.items)) }
            td { (entry.sales.revenue.grouped()) }
            td .chart .spark { (PreEscaped(spark)) }
        }
    }
}

/// A form that searches, and works without scripts.
pub(super) fn search(path: &str, hint: &str, text: &str, more: &Markup) -> Markup {
    html! {
        form .search role="search" action=(path) method="get" {
            label for="q" { (hint) }
            input #q type="search" name="q" value=(text) maxlength=(MOST_SEARCHED);
            (more)
            button type="submit" { "Search" }
        }
    }
}

/// Links to the pages before and after.
pub(super) fn pager(path: &str, at: usize, pages: usize, query: impl Fn(usize) -> String) -> Markup {
    let to = |page: usize, rel: &str, name: &str| html! { a rel=(rel) href={ (path) (query(page)) } { (name) } };
    html! {
        @if pages > 1 {
            nav .pager aria-label="Pages of the list" {
                @if at > 1 { (to(1, "first", "First")) (to(at - 1, "prev", "Previous")) }
                span { "Page " (at) " of " (pages) }
                @if at < pages { (to(at + 1, "next", "Next")) (to(pages, "last", "Last")) }
            }
        }
    }
}
