//! Aggregates over whole data sets, one a line, to be compared with those of another database.
//!
//! Each line is a name and a value; all are whole numbers, texts, or means with four decimals. `data/aggregates` has the
//! lines that DuckDB gives for the same files, and the script that asks it. The lines are made with one operator of the
//! library's queries each, on anything that can be read.

use std::fmt::Display;

pub mod flights;
pub mod olist;

/// Lines in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<String>);

impl Lines {
    pub(crate) fn add(&mut self, name: &str, value: impl Display) {
        self.0.push(format!("{name} {value}"));
    }

    /// One line a group.
    pub(crate) fn add_groups<G: Display, T: Display>(&mut self, name: &str, groups: impl IntoIterator<Item = (G, T)>) {
        groups.into_iter().for_each(|(group, value)| self.add(&format!("{name}[{group}]"), value));
    }

    /// How many groups there are, the largest one, and the sum of all squares: no two groups can be mixed up unseen.
    pub(crate) fn add_digest<G>(&mut self, name: &str, groups: impl IntoIterator<Item = (G, i128)>) {
        let values: Vec<i128> = groups.into_iter().map(|(_, value)| value).collect();
        self.add(&format!("{name}.groups"), values.len());
        self.add(&format!("{name}.largest"), values.iter().max().copied().unwrap_or(0));
        self.add(&format!("{name}.squares"), values.iter().map(|value| value * value).sum::<i128>());
    }

    pub(crate) fn add_mean(&mut self, name: &str, mean: Option<f64>) {
        self.add(name, shown(mean));
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.0
    }
}

/// A mean as text.
pub(crate) fn shown(mean: Option<f64>) -> String {
    mean.map_or_else(|| "none".to_owned(), |mean| format!("{mean:.4}"))
}

/// What differs between two lists of lines, told in one text; empty if nothing does.
pub fn differences(ours: &[String], theirs: &str) -> String {
    let theirs: Vec<&str> = theirs.lines().collect();
    let mut text = String::new();
    for at in 0..ours.len().max(theirs.len()) {
        let (ours, theirs) = (ours.get(at).map(String::as_str), theirs.get(at).copied());
        if ours != theirs {
            text += &format!("line {}: {} here, {} there\n", at + 1, ours.unwrap_or("none"), theirs.unwrap_or("none"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_too_many_or_another_one_is_a_difference() {
        let ours = ["a 1".to_owned(), "b 2".to_owned()];
        assert_eq!(differences(&ours, "a 1\nb 2\n"), "");
        assert_eq!(differences(&ours, "a 1\nb 3\n"), "line 2: b 2 here, b 3 there\n");
        assert_eq!(differences(&ours, "a 1\n"), "line 2: b 2 here, none there\n");
        assert_eq!(differences(&ours[..1], "a 1\nb 2\n"), "line 2: none here, b 2 there\n");
    }
}
