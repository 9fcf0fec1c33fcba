//! What the pages list: every seller and product with its sales, all from one commit.

use std::collections::HashMap;

use gangline::Db;

use crate::charts::studio::Shelf;
use crate::data::model::{PRODUCTS, USERS, User};
use crate::data::value::Id;
use crate::error::Result;
use crate::numbers::Numbers;
use crate::sales::Sales;

/// A seller or product, with or without sales.
pub(crate) struct Entry {
    pub(crate) id: Id,
    /// The town of a seller; nothing for a product.
    pub(crate) town: String,
    /// The state of a seller, the category of a product.
    pub(crate) group: String,
    pub(crate) sales: Sales,
}

/// Everything that the lists and the overview show.
pub(crate) struct Catalogue {
    /// The commit that it shows.
    pub(crate) commit: u64,
    pub(crate) numbers: Numbers,
    /// In the order of the ids.
    pub(crate) sellers: Vec<Entry>,
    /// In the order of the ids.
    pub(crate) products: Vec<Entry>,
}

impl Catalogue {
    /// Reads it, from a snapshot of its own.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) fn read(db: &Db) -> Result<Self> {
        let snapshot = db.snapshot();
        let numbers = Numbers::compute(&snapshot)?;
        let by_seller: HashMap<Id, Sales> = numbers.by_seller.iter().cloned().collect();
        let entry = |user: &User| Entry {
            id: user.id,
            town: user.city.clone(),
            group: user.state.clone(),
            sales: Sales::default(),
        };
        let mut sellers = snapshot.read(USERS, User::is_seller, entry)?;
        add_sales(&mut sellers, &by_seller);
        let mut products = snapshot.read(
            PRODUCTS,
            |_| true,
            |product| Entry {
                id: product.id,
                town: String::new(),
                group: product.category_name(),
                sales: Sales::default(),
            },
        )?;
        add_sales(&mut products, &numbers.by_product);
        Ok(Catalogue { commit: snapshot.commit_number(), numbers, sellers, products })
    }

    /// Those of one shelf.
    pub(crate) fn shelf(&self, shelf: Shelf) -> &[Entry] {
        match shelf {
            Shelf::Sellers => &self.sellers,
            Shelf::Products => &self.products,
        }
    }

    /// One of a shelf.
    pub(crate) fn entry(&self, shelf: Shelf, id: Id) -> Option<&Entry> {
        let entries = self.shelf(shelf);
        entries.binary_search_by_key(&id, |entry| entry.id).ok().map(|place| &entries[place])
    }
}

fn add_sales(entries: &mut [Entry], sales: &HashMap<Id, Sales>) {
    for entry in entries {
        entry.sales = sales.get(&entry.id).cloned().unwrap_or_default();
    }
}
