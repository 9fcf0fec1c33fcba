//! What was sold, grouped by anything: one parallel pass over the items.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use gangline::Access;

use crate::data::model::{ORDER_ITEMS, OrderItem, PRODUCTS, USERS, User};
use crate::data::value::{Cents, Id, Month};

/// The items of one seller, product, category, ...
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sales {
    /// Number of items.
    pub items: u64,
    /// Sum of their prices, without freight.
    pub revenue: Cents,
    /// The same by the month in which the seller had to ship.
    pub months: BTreeMap<Month, Cents>,
}

impl Sales {
    pub(crate) fn add(&mut self, item: &OrderItem) {
        self.items += 1;
        self.revenue += item.price;
        *self.months.entry(item.shipping_limit.month).or_default() += item.price;
    }

    pub(crate) fn merge(&mut self, other: &Sales) {
        self.items += other.items;
        self.revenue += other.revenue;
        for (month, revenue) in &other.months {
            *self.months.entry(*month).or_default() += *revenue;
        }
    }
}

/// Groups all items by `key`. Each thread fills a map of its own, and the maps are merged. The key is called through a
/// pointer, so that the scan is compiled once for each kind of key and not for each caller.
///
/// # Errors
///
/// Those of the store.
pub fn sales_by<K: Eq + Hash + Send>(
    da: &impl Access,
    key: &(dyn Fn(&OrderItem) -> K + Sync),
) -> gangline::Result<HashMap<K, Sales>> {
    da.query(ORDER_ITEMS).fold(
        HashMap::new,
        |mut groups: HashMap<K, Sales>, item| {
            groups.entry(key(item)).or_default().add(item);
            groups
        },
        |mut left, right| {
            for (key, sales) in right {
                left.entry(key).or_default().merge(&sales);
            }
            left
        },
    )
}

/// The state of every seller.
///
/// # Errors
///
/// Those of the store.
pub fn seller_states(da: &impl Access) -> gangline::Result<HashMap<Id, String>> {
    Ok(da.read(USERS, User::is_seller, |user| (user.id, user.state.clone()))?.into_iter().collect())
}

/// The category of every product, as it is shown.
///
/// # Errors
///
/// Those of the store.
pub fn product_categories(da: &impl Access) -> gangline::Result<HashMap<Id, String>> {
    Ok(da.read(PRODUCTS, |_| true, |product| (product.id, product.category_name()))?.into_iter().collect())
}

/// Groups in order of their revenue, the best first; equal ones in the order of their keys.
pub fn ranked<K: Ord>(groups: impl IntoIterator<Item = (K, Sales)>) -> Vec<(K, Sales)> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(key, sales), (other_key, other)| other.revenue.cmp(&sales.revenue).then(key.cmp(other_key)));
    groups
}
