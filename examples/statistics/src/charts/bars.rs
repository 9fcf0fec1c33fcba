//! The charts of the page: bars that lie and columns that stand, drawn by `plotters`.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::palette::{GRID, INK, MUTED, Tone};
use crate::error::{Error, Result};

/// Width of a chart that shares its row with another, in pixels.
pub const HALF: u32 = 600;
/// Width of a chart that has a row of its own, in pixels.
pub const WHOLE: u32 = 1190;
const COLUMNS_HEIGHT: u32 = 290;
const BAR_HEIGHT: u32 = 26;
const FONT: &str = "sans-serif";
/// Columns that still have room for a label each.
const LABELLED_COLUMNS: usize = 48;

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Its name on the axis.
    pub name: String,
    /// How long it is.
    pub value: f64,
    /// What is written at its end.
    pub text: String,
    /// Its colour.
    pub tone: Tone,
}

/// Whether there is nothing to see: such a chart is left out.
pub fn is_empty(bars: &[Bar]) -> bool {
    bars.iter().all(|bar| bar.value <= 0.0)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Chart(format!("cannot draw a chart: {error}"))
}

fn text_style(size: i32, tone: Tone) -> TextStyle<'static> {
    let mut style = TextStyle::from((FONT, size));
    style.color = tone.rgb().to_backend_color();
    style
}

/// Room to the right of the longest bar, or above the highest column, for its text.
fn axis_end(bars: &[Bar], room: f64) -> f64 {
    bars.iter().map(|bar| bar.value).fold(0.0, f64::max).max(f64::MIN_POSITIVE) * room
}

/// Room for the longest name: there are no fonts to measure with, so a generous width for each character.
fn names_width(bars: &[Bar]) -> u32 {
    let longest = bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
    longest as u32 * 8 + 16
}

/// Bars from left to right, the first at the top.
///
/// # Errors
///
/// [`Error::Chart`] if the plotting crate refuses.
pub fn lying(bars: &[Bar]) -> Result<String> {
    let mut svg = String::new();
    let height = BAR_HEIGHT * bars.len() as u32 + 16;
    {
        let area = SVGBackend::with_string(&mut svg, (HALF, height)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .set_label_area_size(LabelAreaPosition::Left, names_width(bars))
            .build_cartesian_2d(0.0..axis_end(bars, 1.24), 0.0..bars.len() as f64)
            .map_err(failed)?;
        chart.configure_mesh().disable_mesh().y_labels(0).axis_style(GRID.rgb()).draw().map_err(failed)?;
        let placed = || bars.iter().rev().enumerate().map(|(place, bar)| (place as f64, bar));
        let rectangles = placed().map(|(place, bar)| {
            let mut rectangle = Rectangle::new([(0.0, place), (bar.value, place + 1.0)], bar.tone.rgb().filled());
            rectangle.set_margin(4, 4, 0, 0);
            rectangle
        });
        chart.draw_series(rectangles).map_err(failed)?;
        let before = text_style(15, INK).pos(Pos::new(HPos::Right, VPos::Center));
        let names = placed().map(|(place, bar)| {
            EmptyElement::at((0.0, place + 0.5)) + Text::new(bar.name.clone(), (-8, 0), before.clone())
        });
        chart.draw_series(names).map_err(failed)?;
        let behind = text_style(14, MUTED).pos(Pos::new(HPos::Left, VPos::Center));
        let texts = placed().map(|(place, bar)| {
            EmptyElement::at((bar.value, place + 0.5)) + Text::new(bar.text.clone(), (6, 0), behind.clone())
        });
        chart.draw_series(texts).map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// Columns from left to right over an axis of values, which `tick` writes, so many pixels wide.
///
/// # Errors
///
/// [`Error::Chart`] if the plotting crate refuses.
pub fn standing(bars: &[Bar], width: u32, tick: &dyn Fn(&f64) -> String) -> Result<String> {
    let mut svg = String::new();
    let every = bars.len().div_ceil(LABELLED_COLUMNS);
    let turned = bars.iter().any(|bar| bar.name.len() > 3) && bars.len() > 8;
    {
        let area = SVGBackend::with_string(&mut svg, (width, COLUMNS_HEIGHT)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_top(20)
            .set_label_area_size(LabelAreaPosition::Left, 62)
            .set_label_area_size(LabelAreaPosition::Bottom, if turned { 62 } else { 28 })
            .build_cartesian_2d(0.0..bars.len() as f64, 0.0..axis_end(bars, 1.08))
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(GRID.rgb())
            .axis_style(GRID.rgb())
            .x_labels(0)
            .y_labels(5)
            .y_label_formatter(tick)
            .y_label_style(text_style(13, MUTED))
            .draw()
            .map_err(failed)?;
        let placed = || bars.iter().enumerate().map(|(place, bar)| (place as f64, bar));
        let gap = if bars.len() > 60 { 1 } else { 3 };
        let rectangles = placed().map(|(place, bar)| {
            let mut rectangle = Rectangle::new([(place, 0.0), (place + 1.0, bar.value)], bar.tone.rgb().filled());
            rectangle.set_margin(0, 0, gap, gap);
            rectangle
        });
        chart.draw_series(rectangles).map_err(failed)?;
        let below = match turned {
            true => text_style(13, MUTED).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Right, VPos::Center)),
            false => text_style(14, MUTED).pos(Pos::new(HPos::Center, VPos::Top)),
        };
        let names = placed().step_by(every).map(|(place, bar)| {
            EmptyElement::at((place + 0.5, 0.0)) + Text::new(bar.name.clone(), (0, 8), below.clone())
        });
        chart.draw_series(names).map_err(failed)?;
        let above = text_style(14, INK).pos(Pos::new(HPos::Center, VPos::Bottom));
        let texts = placed().filter(|(_, bar)| !bar.text.is_empty()).map(|(place, bar)| {
            EmptyElement::at((place + 0.5, bar.value)) + Text::new(bar.text.clone(), (0, -4), above.clone())
        });
        chart.draw_series(texts).map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::palette::GROUPS;
    use crate::xml::is_well_formed;

    fn bars(count: usize) -> Vec<Bar> {
        (0..count)
            .map(|index| Bar {
                name: format!("<{index}>"),
                value: (count - index) as f64 * 10.0,
                text: format!("R$ {index} & more"),
                tone: GROUPS[index % 6],
            })
            .collect()
    }

    #[test]
    fn charts_are_well_formed_and_have_every_bar() {
        for count in [1, 2, 5, 27, 44] {
            for svg in
                [lying(&bars(count)).unwrap(), standing(&bars(count), HALF, &|value| format!("{value}")).unwrap()]
            {
                assert!(is_well_formed(&svg), "{svg}");
                let coloured = GROUPS.iter().map(|tone| svg.matches(&format!("fill=\"{}\"", tone.light())).count());
                assert_eq!(coloured.sum::<usize>(), count, "{svg}");
                assert!(svg.contains("&lt;0&gt;"), "{svg}");
            }
        }
    }

    #[test]
    fn a_chart_of_nothing_is_empty() {
        assert!(is_empty(&[]));
        let mut some = bars(2);
        assert!(!is_empty(&some));
        some.iter_mut().for_each(|bar| bar.value = 0.0);
        assert!(is_empty(&some));
    }
}
