//! The smallest chart: revenue by month in a line of a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::card::LEAST_MONTHS;
use super::palette::Tone;
use crate::data::value::{Cents, Month};

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 22.0;

/// Revenue by month in the height of a line of a table: no axes, but a text for those who cannot see it.
pub(crate) fn sparkline(months: &BTreeMap<Month, Cents>, tone: Tone) -> String {
    let (Some((first, _)), Some((last, _))) = (months.first_key_value(), months.last_key_value()) else {
        return String::new();
    };
    let span = (last.ordinal() - first.ordinal() + 1).max(LEAST_MONTHS);
    let most = months.values().map(|revenue| revenue.get()).max().unwrap_or(0).max(1) as f64;
    let step = WIDTH / f64::from(span);
    let mut bars = String::new();
    for (month, revenue) in months {
        let left = step * f64::from(month.ordinal() - first.ordinal());
        let height = (revenue.get() as f64 / most * HEIGHT).max(1.0);
        _ = write!(bars, "M{left:.1} {HEIGHT}h{:.1}v-{height:.1}h-{:.1}z", step * 0.8, step * 0.8);
    }
    format!(
        "<svg width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\" aria-label=\"Revenue by month, {first} to {last}, at most R$ {}\"><path fill=\"{}\" d=\"{bars}\"/></svg>",
        Cents::new(most as i64).grouped(),
        tone.light(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::palette::GROUPS;
    use crate::xml::is_well_formed;

    #[test]
    fn a_sparkline_has_a_mark_a_month_and_a_text() {
        let month = |year, month, cents| (Month { year, number: month }, Cents::new(cents));
        let months = BTreeMap::from([month(2016, 12, 0), month(2017, 2, 5_000)]);
        let svg = sparkline(&months, GROUPS[0]);
        assert!(is_well_formed(&svg) && svg.matches("v-").count() == 2, "{svg}");
        assert!(svg.contains("aria-label=\"Revenue by month, 2016-12 to 2017-02, at most R$ 50.00\""), "{svg}");
        assert_eq!(sparkline(&BTreeMap::new(), GROUPS[0]), "");
    }
}
