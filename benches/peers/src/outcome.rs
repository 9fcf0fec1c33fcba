//! What can go wrong: a store's error or a wrong result. Either fails the run, so one boxed error is enough.

use std::error::Error;
use std::fmt::{Debug, Display};

/// The result of all that can fail here.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// An error that says that a peer gave something else than what is right.
pub(crate) fn check<T: PartialEq + Debug + ?Sized>(what: impl Display, found: &T, right: &T) -> Outcome<()> {
    if found == right {
        return Ok(());
    }
    let short = |value: &T| {
        let text = format!("{value:?}");
        if text.len() > 200 { format!("{}...", text.chars().take(200).collect::<String>()) } else { text }
    };
    Err(format!("{what}: found {}, right is {}", short(found), short(right)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_result_is_an_error_that_names_both() {
        assert!(check("ids", &[1, 2], &[1, 2]).is_ok());
        let text = check("ids", &[1, 2], &[1, 3]).expect_err("they differ").to_string();
        assert_eq!(text, "ids: found [1, 2], right is [1, 3]");
    }
}
