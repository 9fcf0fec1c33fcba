//! The tables of the store and their rows.
//!
//! Rows are keyed so that what belongs together lies together: the items and payments of an order are neighbours. A
//! review is keyed by its id *and* its order, since the data set has review ids that come twice.

use gangline::Table;
use serde::{Deserialize, Serialize};

use super::value::{Cents, Id, LocalTime};

/// Customers and sellers. A customer is a `customer_id` of the data set: one for each order.
pub const USERS: Table<Id, User> = Table::new("users");
/// What is sold.
pub const PRODUCTS: Table<Id, Product> = Table::new("products");
/// Orders, with their state and times. Some have no item.
pub const ORDERS: Table<Id, Order> = Table::new("orders");
/// One row for each piece of an order, by order and number.
pub const ORDER_ITEMS: Table<(Id, u32), OrderItem> = Table::new("order_items");
/// One row for each payment of an order, by order and number.
pub const PAYMENTS: Table<(Id, u32), Payment> = Table::new("payments");
/// Reviews, by review and order.
pub const REVIEWS: Table<(Id, Id), Review> = Table::new("reviews");

/// What each seller took in by orders that were placed on the live page of `serve`.
pub const TAKINGS: Table<Id, Takings> = Table::new("takings");
/// The status of such orders.
pub const PLACED: &str = "placed";

/// What a user may do. One user can have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Buys.
    Customer,
    /// Sells.
    Seller,
}

/// A row of [`USERS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its key.
    pub id: Id,
    /// Customer, seller, or both.
    pub roles: Vec<Role>,
    /// The person behind a customer: the same one for each of a person's orders.
    pub person: Option<Id>,
    /// First five digits of the postal code.
    pub zip_code: String,
    /// Town.
    pub city: String,
    /// State of Brazil, two letters.
    pub state: String,
}

impl User {
    /// Whether the user sells.
    pub fn is_seller(&self) -> bool {
        self.roles.contains(&Role::Seller)
    }

    /// Whether the user buys.
    pub fn is_customer(&self) -> bool {
        self.roles.contains(&Role::Customer)
    }
}

/// A row of [`PRODUCTS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its key.
    pub id: Id,
    /// Category in Portuguese. Some products have none.
    pub category: Option<String>,
    /// Category in English, where the translation has it.
    pub category_english: Option<String>,
    /// Number of photos.
    pub photos: Option<u32>,
    /// Weight in grams.
    pub weight_g: Option<u32>,
    /// Length, height and width in centimetres.
    pub size_cm: Option<[u32; 3]>,
}

impl Product {
    /// The category as it is shown: in English where that is known, with spaces.
    pub fn category_name(&self) -> String {
        match self.category_english.as_ref().or(self.category.as_ref()) {
            Some(name) => name.replace('_', " "),
            None => "no category".to_owned(),
        }
    }
}

/// A row of [`ORDERS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its key.
    pub id: Id,
    /// Who bought: a key of [`USERS`].
    pub customer: Id,
    /// `delivered`, `shipped`, `canceled`, ...
    pub status: String,
    /// When it was placed.
    pub purchased: LocalTime,
    /// When the payment was approved.
    pub approved: Option<LocalTime>,
    /// When the carrier had it.
    pub handed_over: Option<LocalTime>,
    /// When the customer had it.
    pub delivered: Option<LocalTime>,
    /// The delivery date that was promised.
    pub promised: LocalTime,
}

/// A row of [`ORDER_ITEMS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderItem {
    /// First part of its key: a key of [`ORDERS`].
    pub order: Id,
    /// Second part of its key: 1, 2, ... within the order.
    pub number: u32,
    /// What was sold: a key of [`PRODUCTS`].
    pub product: Id,
    /// Who sold it: a key of [`USERS`].
    pub seller: Id,
    /// When the seller must have handed it over.
    pub shipping_limit: LocalTime,
    /// What the piece cost.
    pub price: Cents,
    /// What its delivery cost.
    pub freight: Cents,
}

/// A row of [`PAYMENTS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// First part of its key: a key of [`ORDERS`].
    pub order: Id,
    /// Second part of its key: 1, 2, ... within the order.
    pub number: u32,
    /// `credit_card`, `boleto`, `voucher`, ...
    pub kind: String,
    /// Number of instalments.
    pub instalments: u32,
    /// What was paid.
    pub value: Cents,
}

/// A row of [`REVIEWS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// First part of its key.
    pub id: Id,
    /// Second part of its key: a key of [`ORDERS`].
    pub order: Id,
    /// 1 (bad) to 5 (good).
    pub score: u8,
    /// Its title.
    pub title: Option<String>,
    /// What the customer wrote; may have line breaks.
    pub message: Option<String>,
    /// When the customer was asked.
    pub created: LocalTime,
    /// When the customer answered.
    pub answered: LocalTime,
}

/// A row of [`TAKINGS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takings {
    /// Items sold.
    pub items: u64,
    /// Their prices.
    pub revenue: Cents,
}
