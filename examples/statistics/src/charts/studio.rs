//! What the chart workers share: the palette in use and the one renderer; and the folders that charts go to.
//!
//! Two names in the store's lock manager say whose turn it is: [`PALETTE`] is held shared while its colours are used
//! and exclusively while they are mixed, [`RENDERER`] exclusively while it draws. The latches here are only what Rust
//! asks for in order to change a value that is shared; with the names held nobody ever waits for them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, RwLock};

use super::card::{Card, Renderer};
use super::palette::{Palette, Tone};
use crate::data::value::Id;
use crate::error::{Error, Result};

/// Name of the palette in the lock manager. Sorts before [`RENDERER`], as names that are held together must.
pub const PALETTE: &str = "palette";
/// Name of the renderer in the lock manager.
pub const RENDERER: &str = "renderer";

/// Folders of charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// `OUT/sellers`
    Sellers,
    /// `OUT/products`
    Products,
}

impl Shelf {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Shelf::Sellers => "sellers",
            Shelf::Products => "products",
        }
    }
}

/// Shared by all chart workers.
#[derive(Debug, Default)]
pub struct Studio {
    palette: RwLock<Palette>,
    renderer: Mutex<Renderer>,
}

impl Studio {
    /// Mixes new colours. Hold [`PALETTE`] exclusively.
    pub fn mix(&self, palette: Palette) {
        *self.palette.write() = palette;
    }

    /// The colour of a group. Hold [`PALETTE`].
    pub fn tone(&self, group: &str) -> Tone {
        self.palette.read().tone(group)
    }

    /// Draws a card. Hold [`RENDERER`] exclusively.
    pub fn draw(&self, card: &Card) -> String {
        self.renderer.lock().draw(card).to_owned()
    }

    /// Cards drawn so far.
    pub fn drawn(&self) -> u64 {
        self.renderer.lock().drawn()
    }
}

/// The folders of a report's charts.
#[derive(Debug)]
pub struct Gallery {
    out: PathBuf,
}

impl Gallery {
    /// A gallery that puts charts under `out`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// If a folder cannot be made.
    pub fn new(out: &Path) -> Result<Self> {
        for shelf in [Shelf::Sellers, Shelf::Products] {
            let folder = out.join(shelf.name());
            fs::create_dir_all(&folder).map_err(Error::file("make the folder", &folder))?;
        }
        Ok(Gallery { out: out.to_owned() })
    }

    /// Writes the chart of `id`. Needs no name: each chart is a file of its own.
    pub(crate) fn write(&self, shelf: Shelf, id: Id, svg: &str) -> Result<()> {
        let path = self.out.join(shelf.name()).join(format!("{id}.svg"));
        fs::write(&path, svg).map_err(Error::file("write", &path))
    }

    /// Removes the charts that earlier reports left on a shelf, and nothing else.
    pub(crate) fn keep_only(&self, shelf: Shelf, ids: &HashSet<Id>) -> Result<()> {
        let folder = self.out.join(shelf.name());
        for entry in fs::read_dir(&folder).map_err(Error::file("read the folder", &folder))? {
            let path = entry.map_err(Error::file("read the folder", &folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let chart = name.strip_suffix(".svg").and_then(Id::parse);
            if chart.is_some_and(|id| !ids.contains(&id)) {
                fs::remove_file(&path).map_err(Error::file("remove", &path))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_charts_are_removed() {
        let out = tempfile::tempdir().unwrap();
        let gallery = Gallery::new(out.path()).unwrap();
        let [old, new] =
            ["00010242fe8c5a6d1ba2dd792cb16214", "00018f77f2f0320c557190d7a144bdd3"].map(|id| Id::parse(id).unwrap());
        gallery.write(Shelf::Sellers, old, "<svg/>").unwrap();
        gallery.write(Shelf::Sellers, new, "<svg/>").unwrap();
        fs::write(out.path().join("sellers/notes.svg"), "mine").unwrap();
        gallery.keep_only(Shelf::Sellers, &HashSet::from([new])).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(out.path().join("sellers")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [format!("{new}.svg").as_str(), "notes.svg"]);
    }

    #[test]
    fn the_names_sort_in_the_order_in_which_they_are_taken() {
        assert!(PALETTE.as_bytes() < RENDERER.as_bytes());
    }
}
