//! Aggregates over the tables of a marketplace.

use std::cmp::Reverse;

use gangline::Access;

use super::{Lines, shown};
use crate::data::model::{ORDER_ITEMS, ORDERS, PAYMENTS, PRODUCTS, REVIEWS, USERS, User};

/// All lines.
///
/// # Errors
///
/// Those of the store.
pub fn lines(da: &impl Access) -> gangline::Result<Vec<String>> {
    let mut lines = Lines::default();
    items(da, &mut lines)?;
    item_rows(da, &mut lines)?;
    payments(da, &mut lines)?;
    users(da, &mut lines)?;
    products(da, &mut lines)?;
    orders(da, &mut lines)?;
    Ok(lines.into_lines())
}

fn items(da: &impl Access, lines: &mut Lines) -> gangline::Result<()> {
    let items = || da.query(ORDER_ITEMS);
    lines.add("items", items().count()?);
    let price = || items().project(|item| item.price.get());
    lines.add("items.price.sum", price().sum()?);
    lines.add_mean("items.price.mean", price().mean()?);
    lines.add("items.price.min", price().min()?.unwrap_or(0));
    lines.add("items.price.max", price().max()?.unwrap_or(0));
    lines.add("items.freight.sum", items().fold(|| 0, |sum, item| sum + item.freight.get(), |a, b| a + b)?);
    let dear_or_far = items().select(|item| item.price.get() >= 100_000).or(|item| item.freight.get() > 10_000);
    lines.add("items.dear_or_far", dear_or_far.select(|item| item.number == 1).count()?);
    let by_month = items().group_by(|item| item.shipping_limit.month);
    lines.add_groups("items.month.count", by_month.count()?);
    let by_month = items().group_by(|item| item.shipping_limit.month);
    lines.add_groups("items.month.price", by_month.sum(|item| item.price.get())?);
    lines.add_digest("items.seller.price", items().group_by(|item| item.seller).sum(|item| item.price.get())?);
    lines.add_digest("items.product.price", items().group_by(|item| item.product).sum(|item| item.price.get())?);
    let pieces = items().group_by(|item| item.order).count()?;
    lines.add_digest("items.order.count", pieces.into_iter().map(|(order, count)| (order, i128::from(count))));
    let mut sellers: Vec<_> = items().group_by(|item| item.seller).sum(|item| item.price.get())?.into_iter().collect();
    sellers.sort_by_key(|(seller, price)| (Reverse(*price), *seller));
    lines.add_groups("items.best_sellers", sellers.into_iter().take(10));
    Ok(())
}

/// Single items, and the order in which they come.
fn item_rows(da: &impl Access, lines: &mut Lines) -> gangline::Result<()> {
    let items = || da.query(ORDER_ITEMS);
    for item in items().top_k(10, |item| (item.price, Reverse((item.order, item.number))))? {
        lines.add("items.dearest", format_args!("{} {} {}", item.order, item.number, item.price.get()));
    }
    for item in items().reverse().limit(3).rows()? {
        lines.add("items.last", format_args!("{} {}", item.order, item.number));
    }
    for (order, number) in items().select(|item| item.number > 1).offset(1_000).limit(3).keys()? {
        lines.add("items.thousandth", format_args!("{order} {number}"));
    }
    let dear = items().find(|item| item.price.get() > 300_000)?;
    lines.add(
        "items.first_dear",
        dear.map_or_else(|| "none".to_owned(), |((order, number), _)| format!("{order} {number}")),
    );
    lines.add("items.all_cost_something", items().all(|item| item.price.get() > 0)?);
    lines.add("items.any_free_delivery", items().select(|item| item.freight.get() == 0).any()?);
    Ok(())
}

fn payments(da: &impl Access, lines: &mut Lines) -> gangline::Result<()> {
    let by_kind = || da.query(PAYMENTS).group_by(|payment| payment.kind.clone());
    lines.add("payments", da.query(PAYMENTS).count()?);
    lines.add_groups("payments.kind.count", by_kind().count()?);
    lines.add_groups("payments.kind.value", by_kind().sum(|payment| payment.value.get())?);
    lines.add_groups("payments.kind.most_instalments", by_kind().max(|payment| payment.instalments)?);
    let means = by_kind().mean(|payment| payment.instalments)?;
    lines.add_groups("payments.kind.mean_instalments", means.into_iter().map(|(kind, mean)| (kind, shown(Some(mean)))));
    Ok(())
}

fn users(da: &impl Access, lines: &mut Lines) -> gangline::Result<()> {
    let sellers = || da.query(USERS).select(User::is_seller);
    let customers = || da.query(USERS).select(User::is_customer);
    lines.add("sellers", sellers().count()?);
    lines.add_groups("sellers.state", sellers().group_by(|user| user.state.clone()).count()?);
    lines.add("customers", customers().count()?);
    lines.add_groups("customers.state", customers().group_by(|user| user.state.clone()).count()?);
    lines.add("customers.persons", customers().group_by(|user| user.person).count()?.len());
    Ok(())
}

fn products(da: &impl Access, lines: &mut Lines) -> gangline::Result<()> {
    let products = || da.query(PRODUCTS);
    lines.add("products", products().count()?);
    let categories = products().group_by(|product| product.category.clone().unwrap_or_default()).count()?;
    lines.add_groups("products.category", categories);
    let weighed = || products().select(|product| product.weight_g.is_some());
    let weight = || weighed().project(|product| product.weight_g.unwrap_or(0));
    lines.add("products.weight.count", weighed().count()?);
    lines.add("products.weight.sum", weight().sum()?);
    lines.add_mean("products.weight.mean", weight().mean()?);
    lines.add("products.weight.max", weight().max()?.unwrap_or(0));
    lines.add("products.photos.sum", products().project(|product| product.photos.unwrap_or(0)).sum()?);
    Ok(())
}

/// What the whole data set lacks and the sample has.
fn orders(da: &impl Access, lines: &mut Lines) -> gangline::Result<()> {
    lines.add("orders", da.query(ORDERS).count()?);
    lines.add_groups("orders.status", da.query(ORDERS).group_by(|order| order.status.clone()).count()?);
    lines.add("reviews", da.query(REVIEWS).count()?);
    lines.add_groups("reviews.score", da.query(REVIEWS).group_by(|review| review.score).count()?);
    lines.add_mean("reviews.score.mean", da.query(REVIEWS).project(|review| review.score).mean()?);
    lines.add("reviews.texts", da.query(REVIEWS).select(|review| review.message.is_some()).count()?);
    Ok(())
}
