//! The two queries over rows in memory, and what they must give at scale 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::item::Item;

/// 1998-09-02, the last day of query 1: 1998-12-01 less 90 days.
pub(super) const Q1_LAST_DAY: i32 = 10_471;
/// 1994, in days since 1970: the year of query 6.
pub(super) const Q6_DAYS: std::ops::Range<i32> = 8_766..9_131;

/// A line of query 1: sums of whole numbers. Averages are quotients of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) return_flag: char,
    pub(super) status: char,
    pub(super) quantity: i64,
    /// In cents.
    pub(super) price: i64,
    /// In cents times 100.
    pub(super) discounted: i64,
    /// In cents times 10,000.
    pub(super) charge: i64,
    /// In hundredths.
    pub(super) discount: i64,
    pub(super) count: i64,
}

/// The sums of one group.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    quantity: i64,
    price: i64,
    discounted: i64,
    charge: i64,
    discount: i64,
    count: i64,
}

impl Sums {
    pub(super) fn line(self, return_flag: char, status: char) -> Group {
        let Sums { quantity, price, discounted, charge, discount, count } = self;
        Group { return_flag, status, quantity, price, discounted, charge, discount, count }
    }

    pub(super) fn add(&mut self, item: &Item) {
        let discounted = item.price * (100 - item.discount);
        self.quantity += item.quantity;
        self.price += item.price;
        self.discounted += discounted;
        self.charge += discounted * (100 + item.tax);
        self.discount += item.discount;
        self.count += 1;
    }

    pub(super) fn merge(&mut self, other: &Sums) {
        self.quantity += other.quantity;
        self.price += other.price;
        self.discounted += other.discounted;
        self.charge += other.charge;
        self.discount += other.discount;
        self.count += other.count;
    }
}

/// Groups by flag and status. There are four: a list is found through faster than a map.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(Vec<((char, char), Sums)>);

impl Groups {
    fn of(&mut self, key: (char, char)) -> &mut Sums {
        let at = self.0.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.0.push((key, Sums::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// One step of query 1.
    pub(super) fn add(mut self, item: &Item) -> Self {
        if item.shipped <= Q1_LAST_DAY {
            self.of((item.return_flag, item.status)).add(item);
        }
        self
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        other.0.iter().for_each(|(key, sums)| self.of(*key).merge(sums));
        self
    }

    /// The lines of query 1 in order.
    pub(super) fn lines(self) -> Vec<Group> {
        let sorted: BTreeMap<_, _> = self.0.into_iter().collect();
        sorted.into_iter().map(|((return_flag, status), sums)| sums.line(return_flag, status)).collect()
    }
}

/// Whether query 6 counts a row.
pub(super) fn q6_takes(item: &Item) -> bool {
    Q6_DAYS.contains(&item.shipped) && (5..=7).contains(&item.discount) && item.quantity < 24
}

/// What query 6 adds up, in cents times 100.
pub(super) fn q6_revenue(item: &Item) -> i64 {
    item.price * item.discount
}

/// Flags, sums of quantity, price, discounted price and charge, and the count.
type Sum = ((char, char), [i64; 4], i64);

/// What the specification's validation output has of a group as exact sums; its averages are quotients.
pub(super) fn exact(group: &Group) -> Sum {
    let Group { return_flag, status, quantity, price, discounted, charge, discount: _, count } = *group;
    ((return_flag, status), [quantity, price, discounted, charge], count)
}

/// The validation output of query 1 at scale 1.
pub(super) const RIGHT_Q1: [Sum; 4] = [
    (('A', 'F'), [37_734_107, 5_658_655_440_073, 537_582_571_348_700, 55_909_065_222_827_692], 1_478_493),
    (('N', 'F'), [991_417, 148_750_471_038, 14_130_821_680_541, 1_469_649_223_194_375], 38_854),
    (('N', 'O'), [74_476_040, 11_170_172_969_774, 1_061_182_303_076_056, 110_367_043_872_497_010], 2_920_374),
    (('R', 'F'), [37_719_753, 5_656_804_138_090, 537_412_926_846_040, 55_889_619_119_831_932], 1_478_870),
];

/// The same for query 6: 123,141,078.2283.
pub(super) const RIGHT_Q6: i64 = 1_231_410_782_283;
