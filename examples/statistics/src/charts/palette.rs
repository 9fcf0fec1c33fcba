//! Colours, each as a pair for light and dark surroundings, and who gets which.
//!
//! Charts are drawn in the light colours; a style sheet made from the same constants turns them for a dark page.

use std::collections::HashMap;
use std::fmt::Write;

use plotters::style::RGBColor;

/// One colour in two surroundings, as `0xRRGGBB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tone {
    light: u32,
    dark: u32,
}

impl Tone {
    const fn new(light: u32, dark: u32) -> Self {
        Tone { light, dark }
    }

    /// As CSS writes it, for light surroundings.
    pub fn light(self) -> String {
        format!("#{:06X}", self.light)
    }

    /// As CSS writes it, for dark surroundings.
    pub fn dark(self) -> String {
        format!("#{:06X}", self.dark)
    }

    pub(crate) fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = self.light.to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// Text.
pub const INK: Tone = Tone::new(0x1F2933, 0xE4E7EB);
/// Text of less weight: axes and their numbers.
pub const MUTED: Tone = Tone::new(0x616E7C, 0x9AA5B1);
/// Lines behind the bars.
pub const GRID: Tone = Tone::new(0xE4E7EC, 0x343F4B);
/// What has no colour of its own.
pub const REST: Tone = Tone::new(0x829AB1, 0x7B8794);
/// Colours that are told apart, the first for the largest group.
pub const GROUPS: [Tone; 6] = [
    Tone::new(0x2563EB, 0x6098F8),
    Tone::new(0x0D9488, 0x2CC5B3),
    Tone::new(0xC2660C, 0xEBA23F),
    Tone::new(0x7C3AED, 0xA78BFA),
    Tone::new(0xBE2C5B, 0xF0718F),
    Tone::new(0x4D7C0F, 0x96C93D),
];
/// From a bad review to a good one.
pub const SCORES: [Tone; 5] = [
    Tone::new(0xC2413B, 0xE5706A),
    Tone::new(0xD97745, 0xE59A6F),
    Tone::new(0xB8962E, 0xD6B95A),
    Tone::new(0x5C9E6E, 0x7DBB8D),
    Tone::new(0x2B8A57, 0x4FB37D),
];

/// Which group is drawn in which colour. The largest groups have one of their own.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    groups: HashMap<String, Tone>,
}

impl Palette {
    /// Colours for groups that are given from the largest to the smallest.
    pub fn of_groups(largest_first: impl IntoIterator<Item = String>) -> Self {
        Palette { groups: largest_first.into_iter().zip(GROUPS).collect() }
    }

    /// The same with colours for groups of another kind, which are never seen beside the others.
    pub fn and_groups(mut self, largest_first: impl IntoIterator<Item = String>) -> Self {
        self.groups.extend(largest_first.into_iter().zip(GROUPS));
        self
    }

    /// The colour of a group.
    pub fn tone(&self, group: &str) -> Tone {
        self.groups.get(group).copied().unwrap_or(REST)
    }
}

/// The style sheet that turns charts in light colours inside `.chart` for dark surroundings.
pub(crate) fn dark_style() -> String {
    let mut css = String::from("@media (prefers-color-scheme: dark) {\n");
    for tone in [INK, MUTED, GRID, REST].into_iter().chain(GROUPS).chain(SCORES) {
        let (light, dark) = (tone.light(), tone.dark());
        for property in ["fill", "stroke"] {
            _ = writeln!(css, "  .chart [{property}=\"{light}\"] {{ {property}: {dark}; }}");
        }
    }
    css + "}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_groups_have_their_own_colours() {
        let palette = Palette::of_groups(["SP", "PR", "MG", "RJ", "SC", "RS", "BA"].map(str::to_owned));
        assert_eq!((palette.tone("SP"), palette.tone("RS")), (GROUPS[0], GROUPS[5]));
        assert_eq!((palette.tone("BA"), palette.tone("nowhere")), (REST, REST));
    }

    #[test]
    fn no_light_colour_has_two_meanings() {
        let mut light: Vec<_> =
            [INK, MUTED, GRID, REST].into_iter().chain(GROUPS).chain(SCORES).map(Tone::light).collect();
        let all = light.len();
        light.sort();
        light.dedup();
        assert_eq!(light.len(), all);
        assert!(dark_style().contains(".chart [fill=\"#2563EB\"] { fill: #6098F8; }"));
    }
}
