//! A whole data set as rows, checked and in key order.
//!
//! Everything is read before anything is stored, so a broken row leaves no half-filled store behind. Key order makes
//! loading append to the tables, and it makes the batches of a load the same in every run, which is what lets a killed
//! load go on where it stopped.

use std::collections::{BTreeMap, HashMap};

use super::csv::{Row, for_each_row};
use super::model::{Order, OrderItem, Payment, Product, Review, Role, User};
use super::source::{Sheet, Source};
use super::value::Id;
use crate::error::Result;

/// What belongs to one order id, with or without the order itself.
#[derive(Debug, Default)]
pub(crate) struct OrderGroup {
    pub(crate) order: Option<Order>,
    pub(crate) items: Vec<OrderItem>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) reviews: Vec<Review>,
}

impl OrderGroup {
    /// Rows of the source in this group.
    pub(crate) fn rows(&self) -> u64 {
        (usize::from(self.order.is_some()) + self.items.len() + self.payments.len() + self.reviews.len()) as u64
    }
}

/// All rows of a source.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) users: Vec<User>,
    pub(crate) products: Vec<Product>,
    pub(crate) orders: Vec<OrderGroup>,
}

impl Dataset {
    /// Reads and checks every table that the source has.
    pub(crate) fn read(source: &Source) -> Result<Self> {
        Ok(Dataset { users: read_users(source)?, products: read_products(source)?, orders: read_orders(source)? })
    }
}

fn read_users(source: &Source) -> Result<Vec<User>> {
    let mut users: BTreeMap<Id, User> = BTreeMap::new();
    let mut add = |row: &Row<'_>, column: &str, role: Role, user: User| -> Result<()> {
        match users.entry(user.id) {
            std::collections::btree_map::Entry::Vacant(entry) => _ = entry.insert(user),
            std::collections::btree_map::Entry::Occupied(entry) if entry.get().roles.contains(&role) => {
                return Err(row.refuse(column, "an id that no earlier row has"));
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().roles.push(role),
        }
        Ok(())
    };
    if let Some(file) = source.sheet(Sheet::Customers) {
        let columns =
            ["customer_id", "customer_unique_id", "customer_zip_code_prefix", "customer_city", "customer_state"];
        for_each_row(file, &columns, |row| {
            let user = User {
                id: row.cell("customer_id")?,
                roles: vec![Role::Customer],
                person: Some(row.cell("customer_unique_id")?),
                zip_code: row.cell("customer_zip_code_prefix")?,
                city: row.cell("customer_city")?,
                state: row.cell("customer_state")?,
            };
            add(row, "customer_id", Role::Customer, user)
        })?;
    }
    if let Some(file) = source.sheet(Sheet::Sellers) {
        let columns = ["seller_id", "seller_zip_code_prefix", "seller_city", "seller_state"];
        for_each_row(file, &columns, |row| {
            let user = User {
                id: row.cell("seller_id")?,
                roles: vec![Role::Seller],
                person: None,
                zip_code: row.cell("seller_zip_code_prefix")?,
                city: row.cell("seller_city")?,
                state: row.cell("seller_state")?,
            };
            add(row, "seller_id", Role::Seller, user)
        })?;
    }
    Ok(users.into_values().collect())
}

fn read_products(source: &Source) -> Result<Vec<Product>> {
    let mut english = HashMap::new();
    if let Some(file) = source.sheet(Sheet::Translation) {
        let columns = ["product_category_name", "product_category_name_english"];
        for_each_row(file, &columns, |row| {
            english.insert(row.cell::<String>(columns[0])?, row.cell::<String>(columns[1])?);
            Ok(())
        })?;
    }
    let mut products = BTreeMap::new();
    let Some(file) = source.sheet(Sheet::Products) else { return Ok(Vec::new()) };
    let columns = [
        "product_id",
        "product_category_name",
        "product_photos_qty",
        "product_weight_g",
        "product_length_cm",
        "product_height_cm",
        "product_width_cm",
    ];
    for_each_row(file, &columns, |row| {
        let category: Option<String> = row.cell("product_category_name")?;
        let length: Option<u32> = row.cell("product_length_cm")?;
        let height: Option<u32> = row.cell("product_height_cm")?;
        let width: Option<u32> = row.cell("product_width_cm")?;
        let product = Product {
            id: row.cell("product_id")?,
            category_english: category.as_ref().and_then(|name| english.get(name).cloned()),
            category,
            photos: row.cell("product_photos_qty")?,
            weight_g: row.cell("product_weight_g")?,
            size_cm: length.zip(height).zip(width).map(|((length, height), width)| [length, height, width]),
        };
        match products.insert(product.id, product) {
            None => Ok(()),
            Some(_) => Err(row.refuse("product_id", "an id that no earlier row has")),
        }
    })?;
    Ok(products.into_values().collect())
}

fn read_orders(source: &Source) -> Result<Vec<OrderGroup>> {
    let mut groups: BTreeMap<Id, OrderGroup> = BTreeMap::new();
    if let Some(file) = source.sheet(Sheet::Orders) {
        read_order_rows(file, &mut groups)?;
    }
    if let Some(file) = source.sheet(Sheet::Items) {
        read_items(file, &mut groups)?;
    }
    if let Some(file) = source.sheet(Sheet::Payments) {
        read_payments(file, &mut groups)?;
    }
    if let Some(file) = source.sheet(Sheet::Reviews) {
        read_reviews(file, &mut groups)?;
    }
    Ok(groups.into_values().collect())
}

fn read_order_rows(file: (&str, &[u8]), groups: &mut BTreeMap<Id, OrderGroup>) -> Result<()> {
    let columns = [
        "order_id",
        "customer_id",
        "order_status",
        "order_purchase_timestamp",
        "order_approved_at",
        "order_delivered_carrier_date",
        "order_delivered_customer_date",
        "order_estimated_delivery_date",
    ];
    for_each_row(file, &columns, |row| {
        let order = Order {
            id: row.cell("order_id")?,
            customer: row.cell("customer_id")?,
            status: row.cell("order_status")?,
            purchased: row.cell("order_purchase_timestamp")?,
            approved: row.cell("order_approved_at")?,
            handed_over: row.cell("order_delivered_carrier_date")?,
            delivered: row.cell("order_delivered_customer_date")?,
            promised: row.cell("order_estimated_delivery_date")?,
        };
        match groups.entry(order.id).or_default().order.replace(order) {
            None => Ok(()),
            Some(_) => Err(row.refuse("order_id", "an id that no earlier row has")),
        }
    })?;
    Ok(())
}

fn read_items(file: (&str, &[u8]), groups: &mut BTreeMap<Id, OrderGroup>) -> Result<()> {
    let columns =
        ["order_id", "order_item_id", "product_id", "seller_id", "shipping_limit_date", "price", "freight_value"];
    for_each_row(file, &columns, |row| {
        let item = OrderItem {
            order: row.cell("order_id")?,
            number: row.cell("order_item_id")?,
            product: row.cell("product_id")?,
            seller: row.cell("seller_id")?,
            shipping_limit: row.cell("shipping_limit_date")?,
            price: row.cell("price")?,
            freight: row.cell("freight_value")?,
        };
        let items = &mut groups.entry(item.order).or_default().items;
        if items.iter().any(|other| other.number == item.number) {
            return Err(row.refuse("order_item_id", "a number that no earlier row of the order has"));
        }
        items.push(item);
        Ok(())
    })?;
    Ok(())
}

fn read_payments(file: (&str, &[u8]), groups: &mut BTreeMap<Id, OrderGroup>) -> Result<()> {
    let columns = ["order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value"];
    for_each_row(file, &columns, |row| {
        let payment = Payment {
            order: row.cell("order_id")?,
            number: row.cell("payment_sequential")?,
            kind: row.cell("payment_type")?,
            instalments: row.cell("payment_installments")?,
            value: row.cell("payment_value")?,
        };
        let payments = &mut groups.entry(payment.order).or_default().payments;
        if payments.iter().any(|other| other.number == payment.number) {
            return Err(row.refuse("payment_sequential", "a number that no earlier row of the order has"));
        }
        payments.push(payment);
        Ok(())
    })?;
    Ok(())
}

fn read_reviews(file: (&str, &[u8]), groups: &mut BTreeMap<Id, OrderGroup>) -> Result<()> {
    let columns = [
        "review_id",
        "order_id",
        "review_score",
        "review_comment_title",
        "review_comment_message",
        "review_creation_date",
        "review_answer_timestamp",
    ];
    for_each_row(file, &columns, |row| {
        let score = row.cell::<u32>("review_score")?;
        let review = Review {
            id: row.cell("review_id")?,
            order: row.cell("order_id")?,
            score: u8::try_from(score)
                .ok()
                .filter(|score| (1..=5).contains(score))
                .ok_or_else(|| row.refuse("review_score", "a score from 1 to 5"))?,
            title: row.cell("review_comment_title")?,
            message: row.cell("review_comment_message")?,
            created: row.cell("review_creation_date")?,
            answered: row.cell("review_answer_timestamp")?,
        };
        let reviews = &mut groups.entry(review.order).or_default().reviews;
        if reviews.iter().any(|other| other.id == review.id) {
            return Err(row.refuse("review_id", "an id that no earlier row of the order has"));
        }
        reviews.push(review);
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const ORDER: &str = "0009792311464db532ff765bf7b182ae";
    const OTHER: &str = "000aed2e25dbad2f9ddb70584c5a2ded";
    const REVIEW: &str = "69ac6a27fde9855ebeaaecac0f78058b";

    fn dataset(files: &[(&str, String)]) -> Result<Dataset> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(Path::new(folder.path()).join(name), text).unwrap();
        }
        Dataset::read(&Source::folder(folder.path())?)
    }

    fn reviews(rows: &[(&str, &str, &str)]) -> (&'static str, String) {
        let mut text = "review_id,order_id,review_score,review_comment_title,review_comment_message,\
            review_creation_date,review_answer_timestamp\n"
            .to_owned();
        for (id, order, score) in rows {
            text += &format!("{id},{order},{score},,\"two\nlines\",2016-10-02 00:00:00,2016-10-26 12:31:00\n");
        }
        ("order_reviews.csv", text)
    }

    #[test]
    fn the_sample_is_read_whole() {
        let dataset = Dataset::read(&Source::built_in().unwrap()).unwrap();
        assert_eq!(dataset.users.len(), 8135 + 1610);
        assert_eq!(dataset.products.len(), 5460);
        assert_eq!(dataset.orders.len(), 8135);
        assert_eq!(dataset.orders.iter().map(OrderGroup::rows).sum::<u64>(), 8135 + 8365 + 8924 + 8225);
        assert_eq!(dataset.orders.iter().filter(|group| group.items.is_empty()).count(), 775);
        assert!(dataset.products.iter().any(|product| product.category_name() == "no category"));
        assert!(dataset.products.iter().any(|product| product.category_name() == "health beauty"));
        assert!(dataset.users.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn a_review_id_may_come_again_with_another_order_only() {
        let twice = dataset(&[reviews(&[(REVIEW, ORDER, "1"), (REVIEW, OTHER, "5")])]).unwrap();
        assert_eq!(twice.orders.iter().map(|group| group.reviews.len()).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(twice.orders[0].reviews[0].message.as_deref(), Some("two\nlines"));
        let error = dataset(&[reviews(&[(REVIEW, ORDER, "1"), (REVIEW, ORDER, "1")])]).unwrap_err().to_string();
        assert!(error.starts_with("order_reviews.csv, line 4, column review_id: expected an id that no"), "{error}");
    }

    #[test]
    fn a_score_is_one_to_five() {
        let error = dataset(&[reviews(&[(REVIEW, ORDER, "6")])]).unwrap_err().to_string();
        assert_eq!(error, "order_reviews.csv, line 2, column review_score: expected a score from 1 to 5, found \"6\"");
    }

    #[test]
    fn a_user_may_buy_and_sell() {
        let customers = format!(
            "customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state\n{ORDER},{OTHER},1,a,SP\n"
        );
        let sellers = format!("seller_id,seller_zip_code_prefix,seller_city,seller_state\n{ORDER},1,a,SP\n");
        let both = dataset(&[("customers.csv", customers), ("sellers.csv", sellers.clone())]).unwrap();
        assert_eq!(both.users.len(), 1);
        assert!(both.users[0].is_seller() && both.users[0].is_customer());
        let again = sellers.clone() + sellers.lines().next_back().unwrap();
        let error = dataset(&[("sellers.csv", again)]).unwrap_err().to_string();
        assert!(error.starts_with("sellers.csv, line 3, column seller_id"), "{error}");
    }
}
