//! What can go wrong: a store's error or a wrong result. Either fails the run, so one boxed error is enough.

use std::error::Error;
use std::fmt::{Debug, Display};

/// The result of all that can fail here.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// An error that says that a peer gave something else than what is right.
pub(crate) fn check<T: PartialEq + Debug>(what: impl Display, found: &T, right: &T) -> Outcome<()> {
    if found == right { Ok(()) } else { Err(format!("{what}: found {found:?}, right is {right:?}").into()) }
}

/// The same for lists: names the first place at which they differ.
pub(crate) fn check_each<T: PartialEq + Debug>(what: impl Display, found: &[T], right: &[T]) -> Outcome<()> {
    check(format_args!("{what}, how many"), &found.len(), &right.len())?;
    match (0..right.len()).find(|at| found[*at] != right[*at]) {
        Some(at) => check(format_args!("{what}, number {at}"), &found[at], &right[at]),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_differ_by_length_or_at_a_place() {
        assert!(check_each("rows", &[1, 2], &[1, 2]).is_ok());
        let text = check_each("rows", &[1, 2, 4], &[1, 2, 3]).expect_err("they differ").to_string();
        assert_eq!(text, "rows, number 2: found 4, right is 3");
        let text = check_each("rows", &[1], &[1, 2]).expect_err("they differ").to_string();
        assert_eq!(text, "rows, how many: found 1, right is 2");
    }

    #[test]
    fn a_wrong_result_is_an_error_that_names_both() {
        assert!(check("rows", &1, &1).is_ok());
        assert_eq!(check("rows", &1, &2).expect_err("they differ").to_string(), "rows: found 1, right is 2");
    }
}
