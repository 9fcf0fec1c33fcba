//! Charts as SVG: a dot for each ratio, and a curve for each peer's growth. Both axes of numbers are logarithmic.

use std::fmt::Write;

use crate::peer::OURS;
use crate::report::{Ratio, short};

/// Numbers of one peer at several sizes.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// Rows and value.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Told apart by people with any colour vision, on white.
const COLOURS: [&str; 10] =
    ["#111111", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f", "#b8a000"];

/// The colour of a peer, the same in all charts.
fn colour(peer: &str) -> &'static str {
    const NAMES: [&str; 9] = [OURS, "lmdb", "sled", "redb", "rocksdb", "fjall", "sqlite", "btreemap", "vec"];
    COLOURS[NAMES.iter().position(|name| *name == peer).unwrap_or(9)]
}

/// A logarithmic scale from numbers to places.
struct Scale {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Over whole powers of ten around all values.
    fn around(values: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let logs = values.filter(|value| value.is_finite() && *value > 0.0).map(f64::log10);
        let (low, high) = logs.fold((f64::MAX, f64::MIN), |(low, high), log| (low.min(log), high.max(log)));
        if low > high {
            return Scale { low: 0.0, high: 1.0, start, end };
        }
        let (low, high) = (low.floor(), high.ceil());
        Scale { low, high: high.max(low + 1.0), start, end }
    }

    fn at(&self, value: f64) -> f64 {
        let log = value.max(f64::MIN_POSITIVE).log10().clamp(self.low, self.high);
        self.start + (log - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// The powers of ten.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|power| 10f64.powi(power))
    }
}

/// A drawing that is being written.
struct Svg(String);

impl Svg {
    fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Svg(String::new());
        svg.add(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n<title>{title}</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
        ));
        svg
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        _ = self.0.write_fmt(text);
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>\n"
        ));
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n"));
    }

    fn dot(&mut self, x: f64, y: f64, colour: &str, title: &str) {
        self.add(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\" fill-opacity=\"0.85\"><title>{title}</title></circle>\n"
        ));
    }

    /// Names beside their colours, from left to right.
    fn legend(&mut self, x: f64, y: f64, names: &[&str]) {
        let mut x = x;
        for name in names {
            self.dot(x, y - 4.0, colour(name), name);
            self.text(x + 9.0, y, "start", name);
            x += 26.0 + 7.5 * name.len() as f64;
        }
    }

    fn end(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

/// Names in the order of their first place, each once.
fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut once = Vec::new();
    names.for_each(|name| {
        if !once.contains(&name) {
            once.push(name)
        }
    });
    once
}

/// A row for each workload, a dot for each peer: right of 1 Gangline is better.
pub(crate) fn ratios(ratios: &[Ratio]) -> String {
    let workloads = each_once(ratios.iter().map(|ratio| ratio.workload.as_str()));
    let peers = each_once(ratios.iter().map(|ratio| ratio.peer));
    let (left, top, right, step) = (190.0, 64.0, 900.0, 26.0);
    let bottom = top + step * workloads.len() as f64;
    let mut svg = Svg::new(right + 40.0, bottom + 40.0, "Gangline beside other stores");
    svg.text(
        16.0,
        22.0,
        "start",
        "Gangline beside other stores: ratio, logarithmic; right of 1 Gangline is faster or smaller",
    );
    svg.legend(24.0, 46.0, &peers);
    let scale = Scale::around(ratios.iter().map(|ratio| ratio.value).chain([0.9, 1.1]), left, right);
    for tick in scale.ticks() {
        let x = scale.at(tick);
        svg.line((x, top), (x, bottom), if tick == 1.0 { "#111111" } else { "#dddddd" });
        svg.text(x, bottom + 18.0, "middle", &tick.to_string());
    }
    for (at, workload) in workloads.iter().enumerate() {
        let y = top + step * (at as f64 + 0.5);
        svg.text(left - 12.0, y + 4.0, "end", workload);
        svg.line((left, y), (right, y), "#eeeeee");
        for ratio in ratios.iter().filter(|ratio| ratio.workload == *workload) {
            let title = format!("{} {}", ratio.peer, short(ratio.value));
            svg.dot(scale.at(ratio.value), y, colour(ratio.peer), &title);
        }
    }
    svg.end()
}

/// Panels of curves over rows, two beside each other.
pub(crate) fn growth(panels: &[(String, Vec<Curve>)]) -> String {
    const WIDTH: f64 = 460.0;
    const HEIGHT: f64 = 300.0;
    let rows = panels.len().div_ceil(2);
    let names = each_once(panels.iter().flat_map(|(_, curves)| curves.iter().map(|curve| curve.name)));
    let mut svg = Svg::new(WIDTH * 2.0, 40.0 + HEIGHT * rows as f64, "Growth");
    svg.legend(24.0, 24.0, &names);
    for (at, (title, curves)) in panels.iter().enumerate() {
        let (x, y) = (WIDTH * (at % 2) as f64, 40.0 + HEIGHT * (at / 2) as f64);
        panel(&mut svg, (x + 70.0, y + 30.0), (x + WIDTH - 20.0, y + HEIGHT - 40.0), title, curves);
    }
    svg.end()
}

fn panel(svg: &mut Svg, (left, top): (f64, f64), (right, bottom): (f64, f64), title: &str, curves: &[Curve]) {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let across = Scale::around(points().map(|point| point.0), left, right);
    let up = Scale::around(points().map(|point| point.1), bottom, top);
    svg.text(left, top - 10.0, "start", title);
    for tick in across.ticks() {
        svg.line((across.at(tick), top), (across.at(tick), bottom), "#eeeeee");
        svg.text(across.at(tick), bottom + 16.0, "middle", &tick.to_string());
    }
    for tick in up.ticks() {
        svg.line((left, up.at(tick)), (right, up.at(tick)), "#dddddd");
        svg.text(left - 6.0, up.at(tick) + 4.0, "end", &tick.to_string());
    }
    for curve in curves {
        let places: Vec<String> =
            curve.points.iter().map(|(rows, value)| format!("{:.1},{:.1}", across.at(*rows), up.at(*value))).collect();
        let (colour, places) = (colour(curve.name), places.join(" "));
        svg.add(format_args!("<polyline points=\"{places}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n"));
        for (rows, value) in &curve.points {
            svg.dot(across.at(*rows), up.at(*value), colour, &format!("{} {}", curve.name, short(*value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_above_one_is_drawn_right_of_the_line_at_one() {
        let ratio = |peer, value| Ratio { workload: "scan_hot".to_owned(), peer, value };
        let svg = ratios(&[ratio("lmdb", 3.0), ratio("vec", 0.75)]);
        let x = |title: &str| -> f64 {
            let line = svg.lines().find(|line| line.contains(title)).expect("it is drawn");
            line.split('"').nth(1).and_then(|x| x.parse().ok()).expect("it has a place")
        };
        let one = Scale::around([0.75, 3.0].into_iter(), 190.0, 900.0).at(1.0);
        assert!(x("<title>vec 0.75<") < one && one < x("<title>lmdb 3.00<"));
    }

    #[test]
    fn a_chart_of_nothing_is_still_a_chart() {
        assert!(ratios(&[]).ends_with("</svg>\n"));
        assert!(growth(&[("load".to_owned(), Vec::new())]).ends_with("</svg>\n"));
    }
}
