//! Drawing the charts of a page: one job each on the store's pool, under the names of palette and renderer.
//!
//! A page about a seller waits for its charts, a page about a product awaits them. Either way a job holds the palette
//! shared while it colours and the renderer exclusively while it draws, as the jobs of a report do.

use gangline::Db;

use crate::catalogue::{Catalogue, Entry};
use crate::charts::figures::Figure;
use crate::charts::palette::Palette;
use crate::charts::sparkline::sparkline;
use crate::charts::studio::{PALETTE, RENDERER, Studio};
use crate::error::Result;

/// A figure with its chart.
pub(super) struct Drawn {
    pub(super) figure: Figure,
    pub(super) svg: String,
}

/// Draws on the pool and waits.
pub(super) fn draw(db: &Db, figures: Vec<Figure>) -> Result<Vec<Drawn>> {
    db.pool().try_map(figures, |figure| draw_one(db, figure))
}

/// Draws on the pool, one task a chart; all are started, then gathered.
pub(super) async fn draw_gathered(db: &Db, figures: Vec<Figure>) -> Result<Vec<Drawn>> {
    let start = |figure: Figure| {
        let db_of_task = db.clone();
        db.pool().apply_async(move || draw_one(&db_of_task, figure))
    };
    let tasks: Vec<_> = figures.into_iter().map(start).collect();
    let mut drawn = Vec::with_capacity(tasks.len());
    for task in tasks {
        drawn.push(task.await??);
    }
    Ok(drawn)
}

fn draw_one(db: &Db, figure: Figure) -> Result<Drawn> {
    let _palette = db.lock_shared(PALETTE)?;
    let _renderer = db.lock(RENDERER)?;
    let svg = figure.draw()?;
    Ok(Drawn { figure, svg })
}

/// Gives the states and categories that sell best their colours.
pub(super) fn mix_palette(db: &Db, studio: &Studio, catalogue: &Catalogue) -> Result<()> {
    let names = |groups: &[(String, _)]| groups.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let palette =
        Palette::of_groups(names(&catalogue.numbers.by_state)).and_groups(names(&catalogue.numbers.by_category));
    let _palette = db.lock(PALETTE)?;
    studio.mix(palette);
    Ok(())
}

/// A line of small charts, one for each entry of a list.
pub(super) fn sparklines(db: &Db, studio: &Studio, entries: &[&Entry]) -> Result<Vec<String>> {
    let _palette = db.lock_shared(PALETTE)?;
    Ok(entries.iter().map(|entry| sparkline(&entry.sales.months, studio.tone(&entry.group))).collect())
}
