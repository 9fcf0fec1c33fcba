//! `sum` and `mean`, for whole numbers without overflow and for floats without much error.

use super::projected::Projected;
use crate::codec::Key;
use crate::error::Result;
use crate::table::Row;

mod sealed {
    /// How numbers of a kind are added up.
    #[expect(unnameable_types, reason = "only this crate may add kinds of numbers")]
    pub trait Total<N, S>: Copy + Default + Send {
        fn add(&mut self, number: N);
        fn merge(&mut self, other: Self);
        fn sum(self) -> S;
        fn as_f64(self) -> f64;
    }
}

use sealed::Total;

/// What can be added up by [`Projected::sum`]: all integers up to 64 bits, and floats.
pub trait Number: Copy + Send {
    /// What a sum of them is: `i128`, which holds the sum of as many integers as a table can have rows, or `f64`.
    type Sum: Copy + Send;
    #[doc(hidden)]
    type Total: Total<Self, Self::Sum>;
}

macro_rules! numbers {
    ($sum:ty, $total:ty: $($number:ty)*) => {$(
        impl Number for $number {
            type Sum = $sum;
            type Total = $total;
        }

        impl Total<$number, $sum> for $total {
            #[inline]
            fn add(&mut self, number: $number) {
                self.add_one(number.into());
            }

            fn merge(&mut self, other: Self) {
                self.add_total(other);
            }

            fn sum(self) -> $sum {
                self.value()
            }

            fn as_f64(self) -> f64 {
                self.value() as f64
            }
        }
    )*};
}

numbers!(i128, Whole: i8 i16 i32 i64 u8 u16 u32 u64);
numbers!(f64, Float: f32 f64);

/// Integers of up to 64 bits in 128: 2^63 of them do not overflow it.
#[derive(Debug, Clone, Copy, Default)]
#[expect(unnameable_types, reason = "the inside of a sum is nobody's matter")]
pub struct Whole(i128);

impl Whole {
    #[inline]
    fn add_one(&mut self, number: i128) {
        self.0 += number;
    }

    fn add_total(&mut self, other: Self) {
        self.0 += other.0;
    }

    fn value(self) -> i128 {
        self.0
    }
}

/// A sum of floats, and what was lost of it by rounding (Neumaier). The result then hardly depends on how the rows were
/// cut in parts.
#[derive(Debug, Clone, Copy, Default)]
#[expect(unnameable_types, reason = "the inside of a sum is nobody's matter")]
pub struct Float {
    sum: f64,
    lost: f64,
}

impl Float {
    #[inline]
    fn add_one(&mut self, number: f64) {
        let sum = self.sum + number;
        self.lost += if self.sum.abs() >= number.abs() { (self.sum - sum) + number } else { (number - sum) + self.sum };
        self.sum = sum;
    }

    fn add_total(&mut self, other: Self) {
        self.add_one(other.sum);
        self.lost += other.lost;
    }

    fn value(self) -> f64 {
        // What is lost of a sum that is infinite is no number.
        if self.sum.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

impl<K: Key, V: Row, T: Number> Projected<'_, K, V, T> {
    /// The sum of the results; 0 when no row fits. Integers are added up as `i128` and cannot overflow, floats as `f64`
    /// with what rounding loses kept beside.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const SALES: Table<u32, u64> = Table::new("sales");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(SALES, 1, u64::MAX)?;
    /// db.put(SALES, 2, 1)?;
    /// assert_eq!(db.query(SALES).project(|cents| *cents).sum()?, 1 << 64);
    /// assert_eq!(db.query(SALES).range(2..).project(|cents| *cents).mean()?, Some(1.0));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn sum(self) -> Result<T::Sum> {
        Ok(sum::<T>(self.total()?.0))
    }

    /// The mean of the results. None: no row fits.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn mean(self) -> Result<Option<f64>> {
        let (total, count) = self.total()?;
        Ok(mean::<T>(total, count))
    }

    fn total(self) -> Result<(T::Total, u64)> {
        self.fold_results(Default::default, add::<T>, merge::<T>)
    }
}

/// A total and of how many numbers.
pub(super) type Counted<T> = (<T as Number>::Total, u64);

pub(super) fn sum<T: Number>(total: T::Total) -> T::Sum {
    total.sum()
}

#[inline]
pub(super) fn add<T: Number>((total, count): &mut Counted<T>, number: T) {
    total.add(number);
    *count += 1;
}

pub(super) fn merge<T: Number>((total, count): &mut Counted<T>, other: Counted<T>) {
    total.merge(other.0);
    *count += other.1;
}

pub(super) fn mean<T: Number>(total: T::Total, count: u64) -> Option<f64> {
    (count > 0).then(|| total.as_f64() / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f64]) -> f64 {
        let mut total = Float::default();
        numbers.iter().for_each(|number| total.add_one(*number));
        total.value()
    }

    #[test]
    fn what_rounding_loses_is_kept() {
        assert_eq!(of(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(of(&[0.1; 10]), 1.0);
        let (mut left, right) = (Float::default(), Float { sum: 1.0, lost: 0.0 });
        left.add_one(1e100);
        left.add_total(right);
        left.add_one(-1e100);
        assert_eq!(left.value(), 1.0);
    }

    #[test]
    fn infinities_and_nan_stay_what_they_are() {
        assert_eq!(of(&[1.0, f64::INFINITY, 2.0]), f64::INFINITY);
        assert!(of(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(of(&[1.0, f64::NAN, 1.0]).is_nan());
        assert_eq!(of(&[]), 0.0);
    }
}
