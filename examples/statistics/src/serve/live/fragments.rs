//! The live page, and the pieces of it that are replaced while one looks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gangline::lock::{LockDump, LockHolder};
use maud::{Markup, PreEscaped, html};

use super::Board;
use super::ticker::Pieces;
use super::upkeep::{LASTS, State};
use crate::charts::figures::Figure;
use crate::data::value::grouped;
use crate::error::Result;
use crate::serve::page;

/// Lines of the lock table, and of those who wait.
const MOST_LINES: usize = 40;

/// The whole page with the pieces as they are now.
pub(super) fn page(pieces: &Pieces, token: &str) -> Markup {
    let piece = |id: &'static str| html! { div id=(id) { (PreEscaped(pieces.get(id).map_or("", String::as_str))) } };
    let tile = |name: &str, id: &'static str| {
        html! {
            div { dt { (name) } dd id=(id) { (pieces.get(id).map_or("", String::as_str)) } }
        }
    };
    let button = |action: &str, text: &str| {
        html! {
            form .action method="post" action={ "/live/" (action) } {
                input type="hidden" name="token" value=(token);
                button #(action) type="submit" { (text) }
            }
        }
    };
    let content = html! {
        h1 { "Live" }
        p {
            "Four simulated shoppers place orders and write reviews in transactions. The numbers come from subscriptions "
            "to the commits; the lock table and who waits for whom from the lock manager. What shoppers write stays in the "
            "store."
        }
        noscript { p .note { "Without scripts this page shows a moment; load it again for the next." } }
        div .actions {
            (button("start", "Send the shoppers in"))
            (button("stop", "Send them home"))
            (button("maintenance", "Lock the tables for maintenance"))
        }
        div #live-state role="status" { (PreEscaped(pieces.get("live-state").map_or("", String::as_str))) }
        dl .tiles {
            (tile("Orders", "count-orders")) (tile("Revenue", "count-revenue")) (tile("Reviews", "count-reviews"))
            (tile("Mean score", "count-score")) (tile("Commits a second", "live-commits"))
            (tile("Commits", "live-all-commits")) (tile("Restarts", "live-restarts")) (tile("Waits for locks", "live-waits"))
            (tile("99 of 100 waits within", "live-wait-time")) (tile("Requests a second", "live-requests"))
        }
        div .grid {
            section .chart { (piece("live-orders-chart")) }
            section .chart { (piece("live-sellers-chart")) }
            section { h2 { "Who waits for whom" } (piece("live-chains")) }
            section { h2 { "The newest review" } (piece("live-review")) }
            section .all {
                h2 { "Locks " small { "held and waited for, in the order in which they may be waited for" } }
                div .scroll tabindex="0" role="region" aria-label="Locks" { (piece("live-locks")) }
            }
        }
    };
    page::page("Live", "/live", true, &content)
}

/// Who is at work.
pub(super) fn state(board: &Board) -> Markup {
    let shopping = board.shopping.load(Ordering::Relaxed);
    html! {
        p { (if shopping { "The shoppers are in." } else { "Nobody shops." }) }
        @match board.upkeep.state() {
            State::Never => {}
            State::Waiting => { p { "Maintenance waits for its locks." } }
            State::Locked(since) => {
                p {
                    "Maintenance has locked takings and items. "
                    progress aria-label="Maintenance" max=(LASTS.as_millis()) value=(since.elapsed().min(LASTS).as_millis()) {}
                }
            }
            State::Done(text) => { p { (text) } }
        }
    }
}

/// A chart with its heading, or a line that says that there is nothing yet.
pub(super) fn chart(figure: &Figure) -> Result<String> {
    let drawn = if figure.is_empty() { None } else { Some(figure.draw()?) };
    let markup = html! {
        h2 { (figure.heading) " " small { (figure.remark) } }
        @match drawn { Some(svg) => (PreEscaped(svg)), None => p .muted { "Nothing yet." } }
    };
    Ok(markup.into_string())
}

pub(super) fn review(newest: Option<&(u8, String)>) -> Markup {
    html! {
        @match newest {
            Some((score, message)) => p { strong { (score) " of 5: " } (message) },
            None => p .muted { "None yet." },
        }
    }
}

/// The lock table.
pub(super) fn locks(dump: &LockDump) -> Markup {
    let lines = dump.granules.iter().flat_map(|locks| {
        let held = locks.holders.iter().map(move |holder| (locks, holder, "holds"));
        held.chain(locks.waiting.iter().map(move |waiter| (locks, waiter, "waits")))
    });
    let (shown, all) = (lines.clone().take(MOST_LINES), lines.count());
    html! {
        table {
            thead { tr {
                th scope="col" .text { "What" } th scope="col" .text { "Who" } th scope="col" .text { "Does" }
                th scope="col" .text { "Mode" } th scope="col" { "For, ms" }
            } }
            tbody {
                @for (locks, holder, does) in shown {
                    tr .waits[does == "waits"] {
                        th scope="row" .text { (locks.granule) }
                        td .text { (name(holder)) }
                        td .text { (does) }
                        td .text { (holder.mode) }
                        td { (milliseconds(holder.age)) }
                    }
                }
            }
        }
        @if all == 0 { p .muted { "No locks." } }
        @if all > MOST_LINES { p .muted { "And " (all - MOST_LINES) " more." } }
    }
}

/// Who waits for whom.
pub(super) fn chains(dump: &LockDump) -> Markup {
    let chains = dump.wait_chains();
    html! {
        @if chains.is_empty() { p .muted { "Nobody waits." } }
        ul .chains {
            @for chain in chains.iter().take(MOST_LINES) {
                li {
                    strong { (name(&chain.waiter)) } " wants " (chain.waiter.mode) " on " (chain.granule) ", for "
                    (milliseconds(chain.waiter.age)) " ms, held by"
                    ul {
                        @for blocker in &chain.blockers {
                            li {
                                strong { (name(&blocker.holder)) } " (" (blocker.holder.mode) ")"
                                @if let Some(granule) = &blocker.waits_for { ", which waits for " (granule) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn name(holder: &LockHolder) -> &str {
    holder.label.as_deref().unwrap_or(&holder.thread)
}

fn milliseconds(time: Duration) -> String {
    grouped(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}
