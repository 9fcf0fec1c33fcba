//! A line item: the table's row in Gangline, made from the generator's.

use serde::{Deserialize, Serialize};
use tpchgen::generators::{LineItem, LineItemGenerator};

/// All columns but the key. Money and rates are whole hundredths, dates are days since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) part: i64,
    pub(super) supplier: i64,
    pub(super) quantity: i64,
    pub(super) price: i64,
    pub(super) discount: i64,
    pub(super) tax: i64,
    pub(super) return_flag: char,
    pub(super) status: char,
    pub(super) shipped: i32,
    pub(super) committed: i32,
    pub(super) received: i32,
    pub(super) instructions: String,
    pub(super) mode: String,
    pub(super) comment: String,
}

/// Order and line.
pub(super) type ItemKey = (u64, u32);

/// All line items at a scale, in the order of their keys.
pub(super) fn items(scale: f64) -> impl Iterator<Item = (ItemKey, Item)> {
    LineItemGenerator::new(scale, 1, 1).iter().map(item)
}

fn item(line: LineItem<'_>) -> (ItemKey, Item) {
    let letter = |text: &str| text.chars().next().unwrap_or(' ');
    let item = Item {
        part: line.l_partkey,
        supplier: line.l_suppkey,
        quantity: line.l_quantity,
        price: line.l_extendedprice.into_inner(),
        discount: line.l_discount.into_inner(),
        tax: line.l_tax.into_inner(),
        return_flag: letter(line.l_returnflag),
        status: letter(line.l_linestatus),
        shipped: line.l_shipdate.to_unix_epoch(),
        committed: line.l_commitdate.to_unix_epoch(),
        received: line.l_receiptdate.to_unix_epoch(),
        instructions: line.l_shipinstruct.to_owned(),
        mode: line.l_shipmode.to_owned(),
        comment: line.l_comment.to_owned(),
    };
    ((line.l_orderkey as u64, line.l_linenumber as u32), item)
}
