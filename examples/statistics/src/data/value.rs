//! The values that rows are made of: ids, money and times.
//!
//! Each is smaller than its text and sorts as it should: an id is 16 bytes, money is a whole number of cents (so that
//! a sum is exact), and a time is local, without a zone, as the data set has it.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use gangline::KeyVia;
use serde::{Deserialize, Serialize};

/// An anonymous id of the data set, 32 hexadecimal digits in text.
///
/// ```
/// use gangline_statistics::data::value::Id;
///
/// let id = Id::parse("7e93a43ef30c4f03f38b393420bc753a").expect("32 digits");
/// assert_eq!(id.to_string(), "7e93a43ef30c4f03f38b393420bc753a");
/// assert_eq!(id.short(), "7e93a43e");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id([u8; 16]);

impl Id {
    /// Reads 32 hexadecimal digits; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Some(Id(bytes))
    }

    /// The first eight digits: enough to tell ids apart where there is little room.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

/// Lower case only: the data set has no other, and two spellings of one id would be two file names.
fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl KeyVia for Id {
    type Repr = [u8; 16];

    fn to_repr(self) -> [u8; 16] {
        self.0
    }

    fn from_repr(repr: [u8; 16]) -> Option<Self> {
        Some(Id(repr))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// Money in cents of a Brazilian real.
///
/// ```
/// use gangline_statistics::data::value::Cents;
///
/// let sum = Cents::parse("58.90").expect("an amount") + Cents::parse("0.1").expect("an amount");
/// assert_eq!(sum.to_string(), "59.00");
/// assert_eq!(Cents::new(123_456_789).grouped(), "1,234,567.89");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cents(i64);

/// Digits before the point: with more, a sum over a large table could leave 64 bits.
const MAX_WHOLE_DIGITS: usize = 9;

impl Cents {
    /// An amount of so many cents.
    pub const fn new(cents: i64) -> Self {
        Cents(cents)
    }

    /// The amount in cents.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads `58`, `58.9` or `58.90`; a sign, a third decimal or more than nine digits before the point is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(decimals) || whole.len() > MAX_WHOLE_DIGITS || decimals.len() > 2 {
            return None;
        }
        let tenths = if decimals.len() == 1 { 10 } else { 1 };
        Some(Cents(whole.parse::<i64>().ok()? * 100 + decimals.parse::<i64>().ok()? * tenths))
    }

    /// With separators between thousands, for people.
    pub fn grouped(self) -> String {
        format!("{}.{:02}", grouped(self.0 / 100), (self.0 % 100).abs())
    }
}

/// A whole number with separators between thousands, for people.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, (self.0 % 100).abs())
    }
}

impl Add for Cents {
    type Output = Cents;

    fn add(self, other: Cents) -> Cents {
        Cents(self.0 + other.0)
    }
}

impl AddAssign for Cents {
    fn add_assign(&mut self, other: Cents) {
        self.0 += other.0;
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Cents>>(amounts: I) -> Cents {
        amounts.fold(Cents(0), Add::add)
    }
}

/// A local time, without a zone, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LocalTime {
    /// The month it lies in.
    pub month: Month,
    /// Day of the month, from 1.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
}

impl LocalTime {
    /// Reads a time like `2017-09-19 09:45:35`; a day that its month does not have is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(' ')?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let month = Month { year, number: u8::try_from(month).ok()? };
        let real = (1..=12).contains(&month.number) && (1..=month.days()).contains(&day);
        if !real || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let small = |number: u16| u8::try_from(number).ok();
        Some(LocalTime { month, day: small(day)?, hour: small(hour)?, minute: small(minute)?, second: small(second)? })
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02} {:02}:{:02}:{:02}", self.month, self.day, self.hour, self.minute, self.second)
    }
}

/// Three numbers of exactly so many digits each.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u16; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// A month of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Month {
    /// The year.
    pub year: u16,
    /// 1 to 12.
    pub number: u8,
}

impl Month {
    /// Months since year 0: the distance of two months is the difference of their ordinals.
    pub fn ordinal(self) -> u32 {
        u32::from(self.year) * 12 + u32::from(self.number) - 1
    }

    /// The month after it.
    pub fn next(self) -> Month {
        match self.number {
            12.. => Month { year: self.year.saturating_add(1), number: 1 },
            number => Month { year: self.year, number: number + 1 },
        }
    }

    fn days(self) -> u16 {
        match self.number {
            4 | 6 | 9 | 11 => 30,
            2 if self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400)) => 29,
            2 => 28,
            _ => 31,
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_in_whole_cents() {
        for (text, cents) in
            [("58.90", 5890), ("58.9", 5890), ("58", 5800), ("0.07", 7), ("0", 0), ("6735.00", 673_500)]
        {
            assert_eq!(Cents::parse(text), Some(Cents(cents)), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1.00", "+1", "1,00", "1.234", "1e3", " 1", "1234567890.00", "NaN"] {
            assert_eq!(Cents::parse(text), None, "{text}");
        }
    }

    #[test]
    fn money_is_written_with_two_decimals() {
        assert_eq!(Cents(109_326_435).to_string(), "1093264.35");
        assert_eq!(Cents(5).to_string(), "0.05");
        assert_eq!(Cents(109_326_435).grouped(), "1,093,264.35");
        assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(-1_234_567)], ["0", "999", "1,000", "-1,234,567"]);
    }

    #[test]
    fn ids_are_32_digits_in_lower_case() {
        let id = Id::parse("00010242fe8c5a6d1ba2dd792cb16214").unwrap();
        assert_eq!(id.to_string(), "00010242fe8c5a6d1ba2dd792cb16214");
        assert!(id < Id::parse("00018f77f2f0320c557190d7a144bdd3").unwrap());
        for text in [
            "",
            "00010242fe8c5a6d1ba2dd792cb1621",
            "00010242FE8C5A6D1BA2DD792CB16214",
            "é0010242fe8c5a6d1ba2dd792cb1621",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_real_times() {
        let time = LocalTime::parse("2016-02-29 23:59:01").unwrap();
        assert_eq!((time.month.to_string(), time.day, time.hour, time.second), ("2016-02".to_owned(), 29, 23, 1));
        assert_eq!(Month { year: 2016, number: 12 }.next(), Month { year: 2017, number: 1 });
        assert_eq!(time.month.ordinal() + 11, Month { year: 2017, number: 1 }.ordinal());
        for text in
            ["2017-02-29 00:00:00", "2017-13-01 00:00:00", "2017-01-01", "2017-1-1 00:00:00", "2017-01-01 24:00:00"]
        {
            assert_eq!(LocalTime::parse(text), None, "{text}");
        }
    }
}
