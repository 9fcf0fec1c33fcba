//! The numbers of a report, computed anew from the store by parallel reads and folds.

use std::collections::HashMap;
use std::io::{self, Write};

use gangline::Access;

use crate::data::model::{ORDER_ITEMS, ORDERS, PAYMENTS, REVIEWS, Review, USERS, User};
use crate::data::value::{Cents, Id, Month};
use crate::error::Result;
use crate::sales::{Sales, product_categories, ranked, sales_by, seller_states};

/// Everything that a report says in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// Users that sell.
    pub sellers: u64,
    /// Users that buy.
    pub customers: u64,
    /// Products.
    pub products: u64,
    /// Orders.
    pub orders: u64,
    /// Items of orders.
    pub items: u64,
    /// Payments of orders.
    pub payments: u64,
    /// Reviews.
    pub reviews: u64,
    /// Sum of the prices of all items.
    pub revenue: Cents,
    /// Sum of the freight of all items.
    pub freight: Cents,
    /// How many reviews gave the score 1, 2, ... 5.
    pub scores: [u64; 5],
    /// Sellers that sold something, the best first.
    pub by_seller: Vec<(Id, Sales)>,
    /// Products that were sold.
    pub by_product: HashMap<Id, Sales>,
    /// Categories, the best first.
    pub by_category: Vec<(String, Sales)>,
    /// States of the sellers, the best first.
    pub by_state: Vec<(String, Sales)>,
    /// Months of the shipping limit, in order.
    pub by_month: Vec<(Month, Sales)>,
}

impl Numbers {
    /// Reads all tables.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn compute(da: &impl Access) -> Result<Self> {
        let states = seller_states(da)?;
        let customers = da.read(USERS, User::is_customer, |_| ())?.len() as u64;
        let categories = product_categories(da)?;
        let (items, revenue, freight) = da.query(ORDER_ITEMS).fold(
            || (0, Cents::default(), Cents::default()),
            |(items, revenue, freight), item| (items + 1, revenue + item.price, freight + item.freight),
            |left, right| (left.0 + right.0, left.1 + right.1, left.2 + right.2),
        )?;
        let scores = da.query(REVIEWS).fold(
            || [0; 5],
            count_score,
            |left, right| std::array::from_fn(|score| left[score] + right[score]),
        )?;
        let by_product = sales_by(da, &|item| item.product)?;
        let by_seller = sales_by(da, &|item| item.seller)?;
        let mut by_month: Vec<_> = sales_by(da, &|item| item.shipping_limit.month)?.into_iter().collect();
        by_month.sort_by_key(|(month, _)| *month);
        Ok(Numbers {
            sellers: states.len() as u64,
            customers,
            products: categories.len() as u64,
            orders: da.query(ORDERS).fold(|| 0, |rows, _| rows + 1, |left, right| left + right)?,
            items,
            payments: da.query(PAYMENTS).fold(|| 0, |rows, _| rows + 1, |left, right| left + right)?,
            reviews: scores.iter().sum(),
            revenue,
            freight,
            scores,
            by_category: ranked(regrouped(&by_product, &categories)),
            by_state: ranked(regrouped(&by_seller, &states)),
            by_seller: ranked(by_seller),
            by_product,
            by_month,
        })
    }

    /// The mean score of the reviews, if there are any.
    pub fn mean_score(&self) -> Option<f64> {
        let sum: u64 = (1..).zip(&self.scores).map(|(score, reviews)| score * reviews).sum();
        (self.reviews > 0).then(|| sum as f64 / self.reviews as f64)
    }

    /// Writes them as `name value` lines.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "sellers {}", self.sellers)?;
        writeln!(out, "customers {}", self.customers)?;
        writeln!(out, "products {}", self.products)?;
        writeln!(out, "orders {}", self.orders)?;
        writeln!(out, "items {}", self.items)?;
        writeln!(out, "payments {}", self.payments)?;
        writeln!(out, "reviews {}", self.reviews)?;
        writeln!(out, "revenue {}", self.revenue)?;
        writeln!(out, "freight {}", self.freight)?;
        match self.mean_score() {
            Some(mean) => writeln!(out, "mean_score {mean:.4}")?,
            None => writeln!(out, "mean_score none")?,
        }
        match self.by_seller.first() {
            Some((id, sales)) => writeln!(out, "top_seller {id} {}", sales.revenue),
            None => writeln!(out, "top_seller none"),
        }
    }
}

/// Sales of products or sellers, put together by what these belong to. Those that are in no table go under a name too,
/// so that every sum is whole.
fn regrouped(sales: &HashMap<Id, Sales>, names: &HashMap<Id, String>) -> HashMap<String, Sales> {
    let mut groups: HashMap<&str, Sales> = HashMap::new();
    for (id, sales) in sales {
        groups.entry(names.get(id).map_or("unknown", String::as_str)).or_default().merge(sales);
    }
    groups.into_iter().map(|(name, sales)| (name.to_owned(), sales)).collect()
}

fn count_score(mut scores: [u64; 5], review: &Review) -> [u64; 5] {
    // Rows that were put by another program may have any score.
    if let Some(reviews) = usize::from(review.score).checked_sub(1).and_then(|score| scores.get_mut(score)) {
        *reviews += 1;
    }
    scores
}

#[cfg(test)]
mod tests {
    use gangline::Db;

    use super::*;
    use crate::data::{load::load, source::Source};

    fn lines(numbers: &Numbers) -> String {
        let mut out = Vec::new();
        numbers.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_empty_store_has_numbers_too() {
        let numbers = Numbers::compute(&Db::in_memory().unwrap()).unwrap();
        let text = lines(&numbers);
        assert!(
            text.starts_with("sellers 0\n") && text.contains("revenue 0.00\n") && text.contains("mean_score none\n")
        );
        assert!(text.ends_with("top_seller none\n"), "{text}");
    }

    #[test]
    fn the_sample_adds_up() {
        let db = Db::in_memory().unwrap();
        load(&db, "memory", &Source::built_in().unwrap(), |_| ()).unwrap();
        let numbers = Numbers::compute(&db).unwrap();
        assert_eq!(
            lines(&numbers),
            "sellers 1610\ncustomers 8135\nproducts 5460\norders 8135\nitems 8365\npayments 8924\nreviews 8225\n\
             revenue 1093264.35\nfreight 172288.39\nmean_score 3.2716\n\
             top_seller 7e93a43ef30c4f03f38b393420bc753a 17906.20\n"
        );
        assert_eq!(numbers.scores, [2638, 382, 667, 1184, 3354]);
        let sums = [
            numbers.by_seller.iter().map(|(_, sales)| sales.revenue).sum::<Cents>(),
            numbers.by_category.iter().map(|(_, sales)| sales.revenue).sum(),
            numbers.by_state.iter().map(|(_, sales)| sales.revenue).sum(),
            numbers.by_month.iter().map(|(_, sales)| sales.revenue).sum(),
        ];
        assert_eq!(sums, [numbers.revenue; 4]);
        assert_eq!(numbers.by_seller[0].1.items, 36);
        assert!(numbers.by_state.iter().all(|(state, _)| state.len() == 2));
    }
}
