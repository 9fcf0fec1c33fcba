//! Adds one order to a store that `gangline-statistics report` made: the next report counts it.
//!
//! `cargo run -p gangline-statistics --example add_order -- [STORE]` (default `./olist.gangline`)

use std::io::Write;

use gangline::{Options, Result};
use gangline_statistics::data::model::{ORDER_ITEMS, ORDERS, Order, OrderItem, PRODUCTS, USERS, User};
use gangline_statistics::data::value::{Cents, Id, LocalTime};

fn main() -> Result<()> {
    let store = std::env::args().nth(1).unwrap_or_else(|| "./olist.gangline".to_owned());
    let db = Options::new().create(false).open(&store)?;
    let time = LocalTime::parse("2018-08-31 12:00:00").expect("a time");
    let id = Id::parse("ffffffffffffffffffffffffffffffff").expect("32 digits");

    let added = db.transact(|tx| {
        // Whom and what it is about: any customer, seller and product of the store.
        let customer = tx.query(USERS).select(User::is_customer).limit(1).rows()?;
        let seller = tx.query(USERS).select(User::is_seller).limit(1).rows()?;
        let product = tx.query(PRODUCTS).limit(1).rows()?;
        let (Some(customer), Some(seller), Some(product)) = (customer.first(), seller.first(), product.first()) else {
            return Ok(false);
        };
        let order = Order {
            id,
            customer: customer.id,
            status: "created".to_owned(),
            purchased: time,
            approved: None,
            handed_over: None,
            delivered: None,
            promised: time,
        };
        let item = OrderItem {
            order: id,
            number: 1,
            product: product.id,
            seller: seller.id,
            shipping_limit: time,
            price: Cents::new(12_345),
            freight: Cents::new(678),
        };
        tx.put(ORDERS, order.id, order)?;
        tx.put(ORDER_ITEMS, (item.order, item.number), item)?;
        Ok(true)
    })?;
    db.close()?;

    let text = if added { "added one order of 123.45, freight 6.78" } else { "the store has nothing to order yet" };
    _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}
