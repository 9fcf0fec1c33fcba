//! Which bars show which numbers, and how they are drawn: the same on every page.

use std::collections::HashMap;

use super::bars::{Bar, HALF, WHOLE, is_empty, lying, standing};
use super::palette::{GROUPS, REST, SCORES, Tone};
use crate::data::value::{Cents, Month, grouped};
use crate::error::Result;
use crate::sales::Sales;
use crate::xml::{cut, escape};

/// A longer time has columns for those months only in which something was sold.
const MOST_MONTHS: u32 = 120;
/// Categories with a bar of their own; the others share one.
const CATEGORIES: usize = 14;

/// Draws a chart of bars.
type Draw = fn(&[Bar]) -> Result<String>;

/// A chart that is yet to be drawn, with all that a page says about it.
pub(crate) struct Figure {
    pub(crate) heading: String,
    /// What the bars are, beside the heading.
    pub(crate) remark: String,
    /// Whether it takes a row of the page.
    pub(crate) wide: bool,
    pub(crate) bars: Vec<Bar>,
    draw: Draw,
    /// The same numbers for a table: what the bars are called, what they measure, and a line for each.
    #[cfg_attr(not(feature = "serve"), expect(dead_code, reason = "the report has no tables beside its charts"))]
    pub(crate) columns: [&'static str; 2],
    #[cfg_attr(not(feature = "serve"), expect(dead_code, reason = "the report has no tables beside its charts"))]
    pub(crate) lines: Vec<(String, String)>,
}

impl Figure {
    /// The best sellers, or sellers of a product, by names.
    pub(crate) fn sellers(heading: &str, remark: String, best: &[(String, Cents, Tone)]) -> Self {
        let bars = best.iter().map(|(name, revenue, tone)| money_bar(name, *revenue, *tone)).collect();
        let lines = best.iter().map(|(name, revenue, _)| (name.clone(), revenue.grouped())).collect();
        Figure { columns: ["Name", MONEY], ..Figure::new(heading, remark, bars, lying, lines) }
    }

    /// The best categories.
    pub(crate) fn categories(by_category: &[(String, Sales)]) -> Self {
        let remark = "in reais, without freight".to_owned();
        let bars = categories(by_category);
        Figure {
            columns: ["Category", MONEY],
            ..Figure::new("Revenue by category", remark, bars, lying, lines(by_category))
        }
    }

    /// Every month.
    pub(crate) fn months(by_month: &[(Month, Cents)]) -> Self {
        let lines = by_month.iter().map(|(month, revenue)| (month.to_string(), revenue.grouped())).collect();
        let remark = "in reais, by month of the shipping limit".to_owned();
        let bars = months(by_month);
        let wide = Figure::new("Revenue by month", remark, bars, wide_columns_of_money, lines);
        Figure { wide: true, columns: ["Month", MONEY], ..wide }
    }

    /// States, whose they are being said in the remark.
    pub(crate) fn states(whose: &str, by_state: &[(String, Sales)], wide: bool) -> Self {
        let remark = format!("in reais, by state of the {whose}");
        let bars = by_state.iter().map(|(state, sales)| column(state, sales.revenue)).collect();
        let draw = if wide { wide_columns_of_money } else { columns_of_money };
        let figure = Figure::new("Revenue by state", remark, bars, draw, lines(by_state));
        Figure { wide, columns: ["State", MONEY], ..figure }
    }

    /// How many reviews gave which score.
    pub(crate) fn scores(scores: &[u64; 5]) -> Self {
        let remark = format!("{} reviews, by score from 1 to 5", grouped(scores.iter().sum::<u64>() as i64));
        let lines = (1..).zip(scores).map(|(score, reviews): (u8, _)| (score.to_string(), grouped(*reviews as i64)));
        let figure = Figure::new("Review scores", remark, scores_bars(scores), columns_of_counts, lines.collect());
        Figure { columns: ["Score", "Reviews"], ..figure }
    }

    /// Orders in each of the last seconds, up to the one that has just ended.
    #[cfg(feature = "serve")]
    pub(crate) fn seconds(orders: &std::collections::VecDeque<(u64, u64)>, now: u64) -> Self {
        let orders: HashMap<u64, u64> = orders.iter().copied().collect();
        let of_second = |ago: u64| now.checked_sub(ago).and_then(|second| orders.get(&second)).copied().unwrap_or(0);
        let bars = (1..=60).rev().map(|ago| Bar {
            name: if ago % 10 == 0 { format!("-{ago}") } else { String::new() },
            value: of_second(ago) as f64,
            text: String::new(),
            tone: GROUPS[1],
        });
        Figure::new(
            "Orders a second",
            "in each of the last 60 seconds".to_owned(),
            bars.collect(),
            columns_of_counts,
            Vec::new(),
        )
    }

    fn new(heading: &str, remark: String, bars: Vec<Bar>, draw: Draw, lines: Vec<(String, String)>) -> Self {
        Figure { heading: heading.to_owned(), remark, wide: false, bars, draw, columns: ["", ""], lines }
    }

    /// Whether there is nothing to see: such a figure is left out.
    pub(crate) fn is_empty(&self) -> bool {
        is_empty(&self.bars)
    }

    /// The chart as SVG, with a text for those who cannot see it.
    ///
    /// # Errors
    ///
    /// Those of drawing.
    pub(crate) fn draw(&self) -> Result<String> {
        let most = self.bars.iter().max_by(|one, other| one.value.total_cmp(&other.value));
        let most = most.map_or_else(String::new, |bar| format!("; the most for {}", bar.name));
        let text = format!("{}, {}: {} bars{most}", self.heading, self.remark, self.bars.len());
        let open = format!("<svg role=\"img\" aria-label=\"{}\" ", escape(&text));
        Ok((self.draw)(&self.bars)?.replacen("<svg ", &open, 1))
    }
}

const MONEY: &str = "Revenue, R$";

fn lines(groups: &[(String, Sales)]) -> Vec<(String, String)> {
    groups.iter().map(|(name, sales)| (name.clone(), sales.revenue.grouped())).collect()
}

/// The categories that sell best, given from the best on.
fn categories(by_category: &[(String, Sales)]) -> Vec<Bar> {
    let (shown, others) = by_category.split_at(CATEGORIES.min(by_category.len()));
    let mut bars: Vec<Bar> =
        shown.iter().map(|(name, sales)| money_bar(&cut(name, 25), sales.revenue, GROUPS[1])).collect();
    if !others.is_empty() {
        let rest = others.iter().map(|(_, sales)| sales.revenue).sum();
        bars.push(money_bar(&format!("{} others", others.len()), rest, REST));
    }
    bars
}

/// Every month from the first to the last, so that a gap in time is a gap in the chart.
fn months(by_month: &[(Month, Cents)]) -> Vec<Bar> {
    let (Some((first, _)), Some((last, _))) = (by_month.first(), by_month.last()) else { return Vec::new() };
    if last.ordinal() - first.ordinal() > MOST_MONTHS {
        return by_month.iter().map(|(month, revenue)| column(&month.to_string(), *revenue)).collect();
    }
    let sold: HashMap<Month, Cents> = by_month.iter().copied().collect();
    let revenue = |month: Month| sold.get(&month).copied().unwrap_or_default();
    let months = std::iter::successors(Some(*first), |month| Some(month.next())).take_while(|month| month <= last);
    months.map(|month| column(&month.to_string(), revenue(month))).collect()
}

fn scores_bars(scores: &[u64; 5]) -> Vec<Bar> {
    let with_tone = (1..).zip(*scores).zip(SCORES);
    with_tone
        .map(|((score, reviews), tone)| Bar {
            name: format!("{score}"),
            value: reviews as f64,
            text: grouped(reviews as i64),
            tone,
        })
        .collect()
}

fn money_bar(name: &str, revenue: Cents, tone: Tone) -> Bar {
    let value = revenue.get() as f64 / 100.0;
    Bar { name: name.to_owned(), value, text: format!("R$ {}", grouped(value.round() as i64)), tone }
}

/// A bar without a text: columns have an axis to read them by.
fn column(name: &str, revenue: Cents) -> Bar {
    Bar { text: String::new(), ..money_bar(name, revenue, GROUPS[0]) }
}

fn wide_columns_of_money(bars: &[Bar]) -> Result<String> {
    standing(bars, WHOLE, &money_tick)
}

fn columns_of_money(bars: &[Bar]) -> Result<String> {
    standing(bars, HALF, &money_tick)
}

fn columns_of_counts(bars: &[Bar]) -> Result<String> {
    standing(bars, HALF, &|value| grouped(*value as i64))
}

fn money_tick(value: &f64) -> String {
    match *value {
        value if value >= 1e6 => format!("R$ {}M", value / 1e6),
        value if value >= 1e3 => format!("R$ {}k", value / 1e3),
        value => format!("R$ {value}"),
    }
}
