//! Drawing: charts of the page by a plotting crate, and a lean card for each seller and product.
//!
//! [`bars`] draws with `plotters`. [`card`] writes its SVG by hand, since there are tens of thousands of cards and a
//! card is one path and three texts. Both take their colours from [`palette`], which knows each as a pair, for light
//! and for dark surroundings. [`studio`] is what the workers share: the palette in use, the renderer and the folder.

pub mod bars;
pub mod card;
pub(crate) mod figures;
pub mod palette;
#[cfg(feature = "serve")]
pub(crate) mod sparkline;
pub mod studio;
