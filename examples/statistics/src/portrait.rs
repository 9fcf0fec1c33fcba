//! One seller or product in full: what was sold, where to, how it was judged.
//!
//! Everything comes out of parallel scans with a condition, and of point reads by key.

use std::collections::{BTreeMap, HashMap, HashSet};

use gangline::{Access, Shared};

use crate::charts::figures::Figure;
use crate::charts::studio::Shelf;
use crate::data::model::{ORDER_ITEMS, ORDERS, OrderItem, PRODUCTS, REVIEWS, USERS};
use crate::data::value::{Cents, Id};
use crate::error::Result;
use crate::sales::{Sales, ranked};

/// One seller or product.
pub(crate) struct Portrait {
    pub(crate) sales: Sales,
    pub(crate) freight: Cents,
    pub(crate) orders: u64,
    /// How many reviews of its orders gave the score 1, 2, ... 5.
    pub(crate) scores: [u64; 5],
    /// By category of the product; one for a product.
    by_category: Vec<(String, Sales)>,
    /// By state of the customer.
    by_state: Vec<(String, Sales)>,
    /// The products of a seller, the sellers of a product, the best first.
    pub(crate) partners: Vec<(Id, Sales)>,
}

type IdOf = fn(&OrderItem) -> Id;

impl Portrait {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) fn read(da: &impl Access, shelf: Shelf, id: Id) -> Result<Self> {
        let (of, partner): (IdOf, IdOf) = match shelf {
            Shelf::Sellers => (|item| item.seller, |item| item.product),
            Shelf::Products => (|item| item.product, |item| item.seller),
        };
        let items = da.query(ORDER_ITEMS).select(move |item| of(item) == id).rows()?;
        let orders: HashSet<Id> = items.iter().map(|item| item.order).collect();
        let mut portrait = Portrait {
            sales: Sales::default(),
            freight: items.iter().map(|item| item.freight).sum(),
            orders: orders.len() as u64,
            scores: scores(da, &orders)?,
            by_category: ranked(grouped(&items, &categories(da, &items)?, |item| item.product)),
            by_state: ranked(grouped(&items, &states(da, &orders)?, |item| item.order)),
            partners: Vec::new(),
        };
        let mut partners: HashMap<Id, Sales> = HashMap::new();
        for item in &items {
            portrait.sales.add(item);
            partners.entry(partner(item)).or_default().add(item);
        }
        portrait.partners = ranked(partners);
        Ok(portrait)
    }

    /// Its charts, those with nothing in them left out.
    pub(crate) fn figures(&self, shelf: Shelf) -> Vec<Figure> {
        let months: Vec<_> = self.sales.months.iter().map(|(month, revenue)| (*month, *revenue)).collect();
        let mut figures = vec![Figure::months(&months)];
        if shelf == Shelf::Sellers {
            figures.push(Figure::categories(&self.by_category));
        }
        figures.push(Figure::states("customer", &self.by_state, false));
        figures.push(Figure::scores(&self.scores));
        figures.retain(|figure| !figure.is_empty());
        figures
    }

    /// The mean score of the reviews of its orders, if there are any.
    pub(crate) fn mean_score(&self) -> Option<f64> {
        let reviews: u64 = self.scores.iter().sum();
        let sum: u64 = (1..).zip(&self.scores).map(|(score, reviews)| score * reviews).sum();
        (reviews > 0).then(|| sum as f64 / reviews as f64)
    }
}

fn grouped(
    items: &[Shared<OrderItem>],
    names: &BTreeMap<Id, String>,
    key: impl Fn(&OrderItem) -> Id,
) -> HashMap<String, Sales> {
    let mut groups: HashMap<String, Sales> = HashMap::new();
    for item in items {
        let name = names.get(&key(item)).map_or("unknown", String::as_str);
        groups.entry(name.to_owned()).or_default().add(item);
    }
    groups
}

fn categories(da: &impl Access, items: &[Shared<OrderItem>]) -> Result<BTreeMap<Id, String>> {
    let mut names = BTreeMap::new();
    for product in items.iter().map(|item| item.product).collect::<HashSet<_>>() {
        if let Some(row) = da.get(PRODUCTS, product)? {
            names.insert(product, row.category_name());
        }
    }
    Ok(names)
}

/// The state of each order's customer.
fn states(da: &impl Access, orders: &HashSet<Id>) -> Result<BTreeMap<Id, String>> {
    let mut names = BTreeMap::new();
    for order in orders {
        let Some(row) = da.get(ORDERS, *order)? else { continue };
        if let Some(customer) = da.get(USERS, row.customer)? {
            names.insert(*order, customer.state.clone());
        }
    }
    Ok(names)
}

fn scores(da: &impl Access, orders: &HashSet<Id>) -> Result<[u64; 5]> {
    let found = da.query(REVIEWS).select(|review| orders.contains(&review.order)).project(|review| review.score);
    let mut scores = [0; 5];
    for score in found.collect()? {
        if let Some(reviews) = usize::from(score).checked_sub(1).and_then(|place| scores.get_mut(place)) {
            *reviews += 1;
        }
    }
    Ok(scores)
}
