//! The statistics service: who sold what, one chart each, drawn in parallel.
//!
//! A service is made for each request, as a factory of data accesses would make it: `da` is what it reads (a `Db` or a
//! `Snapshot`), `db` gives the names and the pool. Charts of sellers are mapped over the pool and waited for; charts of
//! products are tasks that are awaited, by any executor.

use std::collections::HashSet;
use std::sync::Arc;

use gangline::{Access, Db};

use crate::charts::card::Card;
use crate::charts::palette::Palette;
use crate::charts::studio::{Gallery, PALETTE, RENDERER, Shelf, Studio};
use crate::data::model::{OrderItem, PRODUCTS, Product, USERS, User};
use crate::data::value::{Cents, Id, grouped};
use crate::error::Result;
use crate::progress::Progress;
use crate::sales::{Sales, product_categories, ranked, sales_by, seller_states};

/// Reads statistics out of a store and draws them.
#[derive(Debug, Clone)]
pub struct StatisticsService<A> {
    da: A,
    db: Db,
}

/// A chart that was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chart {
    /// Of which seller or product.
    pub id: Id,
    /// The revenue that it shows.
    pub revenue: Cents,
}

/// What a card says about a seller or product.
pub(crate) struct Label {
    pub(crate) title: String,
    /// Decides the colour: the state of a seller, the category of a product.
    pub(crate) group: String,
}

impl<A: Access + Clone + Send + Sync + 'static> StatisticsService<A> {
    /// A service for one request.
    pub fn new(da: A, db: Db) -> Self {
        StatisticsService { da, db }
    }

    /// Draws a chart for every seller that sold anything, on the program's pool.
    ///
    /// # Errors
    ///
    /// Those of the store, and of writing the files.
    pub fn generate_seller_statistics(&self, studio: &Studio, gallery: &Gallery) -> Result<Vec<Chart>> {
        let seller_ids = self.da.read(USERS, User::is_seller, |user| user.id)?;
        let states = seller_states(&self.da)?;
        let mut ledger = sales_by(&self.da, &|item| item.seller)?;
        self.mix_palette(studio, &|item| states.get(&item.seller).map(String::as_str))?;
        let jobs: Vec<(Id, Sales)> = seller_ids.into_iter().filter_map(|id| Some((id, ledger.remove(&id)?))).collect();
        let progress = Progress::new("seller charts", jobs.len());
        let charts = self.db.pool().try_map(jobs, |(id, sales)| {
            let chart = self.generate_chart(studio, gallery, Shelf::Sellers, id, &sales);
            progress.step();
            chart
        })?;
        gallery.keep_only(Shelf::Sellers, &charts.iter().map(|chart| chart.id).collect())?;
        Ok(charts)
    }

    /// Draws a chart for every product that was sold. All tasks are started, then gathered; the future needs no
    /// executor of any kind.
    ///
    /// # Errors
    ///
    /// Those of the store, and of writing the files.
    pub async fn generate_product_statistics(
        &self,
        studio: &Arc<Studio>,
        gallery: &Arc<Gallery>,
    ) -> Result<Vec<Chart>> {
        let product_ids = self.da.read(PRODUCTS, |_| true, |product| product.id)?;
        let categories = product_categories(&self.da)?;
        let mut ledger = sales_by(&self.da, &|item| item.product)?;
        self.mix_palette(studio, &|item| categories.get(&item.product).map(String::as_str))?;
        let jobs: Vec<(Id, Sales)> = product_ids.into_iter().filter_map(|id| Some((id, ledger.remove(&id)?))).collect();
        let progress = Arc::new(Progress::new("product charts", jobs.len()));
        let tasks: Vec<_> = jobs
            .into_iter()
            .map(|(id, sales)| {
                let (service, progress) = (self.clone(), Arc::clone(&progress));
                let (studio, gallery) = (Arc::clone(studio), Arc::clone(gallery));
                self.db.pool().apply_async(move || {
                    let chart = service.generate_chart(&studio, &gallery, Shelf::Products, id, &sales);
                    progress.step();
                    chart
                })
            })
            .collect();
        let mut charts = Vec::with_capacity(tasks.len());
        for task in tasks {
            charts.push(task.await??);
        }
        let kept: HashSet<Id> = charts.iter().map(|chart: &Chart| chart.id).collect();
        gallery.keep_only(Shelf::Products, &kept)?;
        Ok(charts)
    }

    /// The chart of one seller or product. Takes the palette, shared, and then the renderer, exclusively.
    fn generate_chart(&self, studio: &Studio, gallery: &Gallery, shelf: Shelf, id: Id, sales: &Sales) -> Result<Chart> {
        let svg = {
            let _palette = self.db.lock_shared(PALETTE)?;
            let label = self.label(shelf, id)?;
            let card = card(&label, sales, studio);
            let _renderer = self.db.lock(RENDERER)?;
            studio.draw(&card)
        };
        gallery.write(shelf, id, &svg)?;
        Ok(Chart { id, revenue: sales.revenue })
    }

    /// The cards of the best sellers, for the page.
    pub(crate) fn seller_cards(&self, studio: &Studio, sellers: &[(Id, Sales)]) -> Result<Vec<(Id, Card)>> {
        let _palette = self.db.lock_shared(PALETTE)?;
        let card_of = |(id, sales): &(Id, Sales)| Ok((*id, card(&self.label(Shelf::Sellers, *id)?, sales, studio)));
        sellers.iter().map(card_of).collect()
    }

    fn label(&self, shelf: Shelf, id: Id) -> Result<Label> {
        let label = match shelf {
            Shelf::Sellers => self.da.get(USERS, id)?.map(|user| seller_label(&user)),
            Shelf::Products => self.da.get(PRODUCTS, id)?.map(|product| product_label(&product)),
        };
        Ok(label.unwrap_or_else(|| Label { title: id.short(), group: String::new() }))
    }

    /// Gives the best-selling groups colours of their own.
    fn mix_palette<'g>(&self, studio: &Studio, group: &(dyn Fn(&OrderItem) -> Option<&'g str> + Sync)) -> Result<()> {
        let groups = ranked(sales_by(&self.da, group)?);
        let palette = Palette::of_groups(groups.into_iter().filter_map(|(group, _)| group.map(str::to_owned)));
        let _palette = self.db.lock(PALETTE)?;
        studio.mix(palette);
        Ok(())
    }
}

fn seller_label(seller: &User) -> Label {
    Label { title: format!("{} · {}, {}", seller.id.short(), seller.city, seller.state), group: seller.state.clone() }
}

fn product_label(product: &Product) -> Label {
    let category = product.category_name();
    Label { title: format!("{} · {category}", product.id.short()), group: category }
}

fn card(label: &Label, sales: &Sales, studio: &Studio) -> Card {
    let items = i64::try_from(sales.items).unwrap_or(i64::MAX);
    let pieces = if items == 1 { "item" } else { "items" };
    Card {
        title: label.title.clone(),
        subtitle: format!("R$ {} · {} {pieces}", sales.revenue.grouped(), grouped(items)),
        tone: studio.tone(&label.group),
        months: sales.months.clone(),
    }
}
