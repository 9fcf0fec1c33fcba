//! The small chart of one seller or product: revenue by month, as one SVG of about a kilobyte.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::palette::{INK, MUTED, Tone};
use crate::data::value::{Cents, Month};
use crate::xml::{cut, escape};

const WIDTH: u32 = 340;
const HEIGHT: u32 = 180;
const MARGIN: f64 = 16.0;
const BARS_TOP: f64 = 74.0;
const BARS_BOTTOM: f64 = 148.0;
/// A short history is drawn as if it had so many months, so that its bars are no walls.
pub(super) const LEAST_MONTHS: u32 = 12;
/// Characters of a title that fit.
const TITLE_CHARACTERS: usize = 36;

/// What a card shows.
#[derive(Debug, Clone)]
pub struct Card {
    /// First line.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// Colour of the bars.
    pub tone: Tone,
    /// Revenue by month.
    pub months: BTreeMap<Month, Cents>,
}

/// Draws cards into one buffer that it keeps, which is why there is one renderer and workers take turns.
#[derive(Debug, Default)]
pub struct Renderer {
    svg: String,
    drawn: u64,
}

impl Renderer {
    /// Cards drawn so far.
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// A card as a file of its own, with its style.
    pub fn draw(&mut self, card: &Card) -> &str {
        self.drawn += 1;
        self.svg.clear();
        write_card(&mut self.svg, card, true).expect("a string takes whatever is written to it");
        &self.svg
    }
}

/// A card for a page whose style sheet has [`style`].
pub(crate) fn inline(card: &Card) -> String {
    let mut svg = String::new();
    write_card(&mut svg, card, false).expect("a string takes whatever is written to it");
    svg
}

/// The style of texts on cards, for inside the element `scope`.
pub(crate) fn style(scope: &str) -> String {
    let part = |class: &str, tone: fn(Tone) -> String, of: Tone| format!("{scope} .{class}{{fill:{}}}", tone(of));
    let both = |tone: fn(Tone) -> String| part("a", tone, INK) + &part("b", tone, MUTED);
    format!("{}@media (prefers-color-scheme:dark){{{}}}", both(Tone::light), both(Tone::dark))
}

fn write_card(svg: &mut String, card: &Card, alone: bool) -> std::fmt::Result {
    let (title, subtitle) = (escape(&card.title), escape(&card.subtitle));
    write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"system-ui,sans-serif\" role=\"img\">\
         <title>{title}: {subtitle}</title>"
    )?;
    if alone {
        let (light, dark) = (card.tone.light(), card.tone.dark());
        write!(
            svg,
            "<style>svg{{background:#fff}}.c{{fill:{light}}}{}\
             @media (prefers-color-scheme:dark){{svg{{background:#1b2129}}.c{{fill:{dark}}}}}</style>",
            style("svg")
        )?;
    }
    write!(
        svg,
        "<text class=\"a\" x=\"{MARGIN}\" y=\"30\" font-size=\"14\" font-weight=\"600\">{}</text>\
         <text class=\"b\" x=\"{MARGIN}\" y=\"51\" font-size=\"13\">{subtitle}</text>",
        escape(&cut(&card.title, TITLE_CHARACTERS)),
    )?;
    if let (Some((first, _)), Some((last, _))) = (card.months.first_key_value(), card.months.last_key_value()) {
        write_bars(svg, card, *first, *last)?;
    }
    svg.push_str("</svg>\n");
    Ok(())
}

fn write_bars(svg: &mut String, card: &Card, first: Month, last: Month) -> std::fmt::Result {
    let months = last.ordinal() - first.ordinal() + 1;
    let step = (f64::from(WIDTH) - 2.0 * MARGIN) / f64::from(months.max(LEAST_MONTHS));
    let most = card.months.values().map(|revenue| revenue.get()).max().unwrap_or(0).max(1) as f64;
    write!(svg, "<path class=\"c\" fill=\"{}\" d=\"", card.tone.light())?;
    for (month, revenue) in &card.months {
        let left = MARGIN + step * f64::from(month.ordinal() - first.ordinal());
        let height = (revenue.get() as f64 / most * (BARS_BOTTOM - BARS_TOP)).max(1.0);
        write!(svg, "M{left:.1} {BARS_BOTTOM}h{:.1}v-{height:.1}h-{:.1}z", step * 0.8, step * 0.8)?;
    }
    let end = MARGIN + step * f64::from(months);
    let label = |svg: &mut String, x: f64, anchor: &str, month: Month| {
        write!(svg, "<text class=\"b\" x=\"{x:.1}\" y=\"167\" font-size=\"11\" text-anchor=\"{anchor}\">{month}</text>")
    };
    svg.push_str("\"/>");
    label(svg, MARGIN, "start", first)?;
    // Two months need room for two labels.
    if end > MARGIN + 100.0 {
        label(svg, end, "end", last)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::palette::GROUPS;
    use crate::xml::is_well_formed;

    fn card(months: &[(u16, u8, i64)]) -> Card {
        let months =
            months.iter().map(|(year, number, cents)| (Month { year: *year, number: *number }, Cents::new(*cents)));
        Card {
            title: "a <b> & \"c\"".to_owned(),
            subtitle: "R$ 1.00".to_owned(),
            tone: GROUPS[0],
            months: months.collect(),
        }
    }

    #[test]
    fn cards_are_well_formed_whatever_their_text() {
        let mut renderer = Renderer::default();
        for months in [&[][..], &[(2017, 1, 100)], &[(2016, 12, 0), (2017, 2, 5_000), (2020, 4, 1)]] {
            let svg = renderer.draw(&card(months)).to_owned();
            assert!(is_well_formed(&svg), "{svg}");
            assert!(is_well_formed(&inline(&card(months))));
            assert_eq!(svg.matches("v-").count(), months.len());
            assert!(svg.contains("a &lt;b&gt; &amp;") && !svg.contains("NaN"), "{svg}");
        }
        assert_eq!(renderer.drawn(), 3);
    }

    #[test]
    fn a_drawing_does_not_depend_on_the_one_before() {
        let mut renderer = Renderer::default();
        let first = renderer.draw(&card(&[(2017, 1, 100), (2018, 1, 50)])).to_owned();
        renderer.draw(&card(&[]));
        assert_eq!(renderer.draw(&card(&[(2017, 1, 100), (2018, 1, 50)])), first);
    }
}
