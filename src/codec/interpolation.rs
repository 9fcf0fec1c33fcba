//! Search by interpolation: the keys of a page or of a directory are often evenly spread, and then the place of a key
//! can be computed.
//!
//! A search in halves waits for memory at each step, and the processor guesses each second branch wrong. A guess that is
//! right costs one look, and what is at the place it names can be fetched before the look is over. From a wrong guess
//! the search goes on in doubled steps, so keys that are not evenly spread cost twice the steps of a search in halves at
//! most (Bentley and Yao, 1976).

/// How many of `count` ascending numbers are below `wanted`. `at` gives each; `ends` are the first and the last of them.
#[inline]
pub(crate) fn count_below(count: usize, ends: (u64, u64), wanted: u64, at: impl Fn(usize) -> u64) -> usize {
    let (first, last) = ends;
    if count == 0 || wanted <= first {
        return 0;
    }
    if wanted > last {
        return count;
    }
    // From here on the answer is in `low..=high`, and the number at `high` is not below.
    let (mut low, mut high) = (1, count - 1);
    let share = (wanted - first) as f64 / (last - first) as f64;
    let guess = ((count - 1) as f64 * share + 0.5) as usize;
    let guess = guess.clamp(low, high);
    let mut step = 1;
    if at(guess) < wanted {
        low = guess + 1;
        while low < high {
            let probe = (low + step - 1).min(high);
            if at(probe) >= wanted {
                high = probe;
                break;
            }
            low = probe + 1;
            step *= 2;
        }
    } else {
        high = guess;
        while low < high {
            let probe = high.saturating_sub(step).max(low - 1);
            if at(probe) < wanted {
                low = probe + 1;
                break;
            }
            high = probe;
            step *= 2;
        }
    }
    while low < high {
        let middle = low.midpoint(high);
        if at(middle) < wanted {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    fn below(numbers: &[u64], wanted: u64) -> usize {
        let ends = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
        count_below(numbers.len(), ends, wanted, |at| numbers[at])
    }

    proptest! {
        #[test]
        fn counts_as_a_search_in_halves_does(
            mut numbers in prop_oneof![
                proptest::collection::vec(any::<u64>(), 0..60),
                proptest::collection::vec(0u64..40, 0..60),
                proptest::collection::vec((0u32..64).prop_map(|bits| 1 << bits), 0..60),
            ],
            other in any::<u64>(),
            small in 0u64..41,
        ) {
            numbers.sort_unstable();
            let near = numbers.iter().flat_map(|number| [number.saturating_sub(1), *number, number.saturating_add(1)]);
            for wanted in near.chain([0, other, small, u64::MAX]) {
                prop_assert_eq!(below(&numbers, wanted), numbers.partition_point(|number| *number < wanted));
            }
        }
    }

    #[test]
    fn evenly_spread_numbers_are_found_with_two_looks() {
        for (start, gap) in [(0, 1), (7_000_000, 1), (u64::MAX / 2, 3), (5, 1 << 50)] {
            let numbers: Vec<u64> = (0..100).map(|at| start + at * gap).collect();
            for wanted in 1..99 {
                let looks = Cell::new(0);
                let found = count_below(100, (numbers[0], numbers[99]), numbers[wanted], |at| {
                    looks.set(looks.get() + 1);
                    numbers[at]
                });
                assert_eq!(found, wanted);
                assert!(looks.get() <= 2, "{} looks for {wanted} of {start} and each {gap}", looks.get());
            }
        }
    }
}
