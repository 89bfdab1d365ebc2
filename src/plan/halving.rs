//! Which records of a call with many are to blame for it: what fails is called again in halves, until each guilty record has
//! failed alone.
//!
//! A step that fails with anything it is called with would be called with each record once for each halving, and for nothing.
//! So what calls that fail may see is bounded: beyond [`MOST_FAILED`] times the records, those that are left are called with
//! one at a time. All calls together see no record more than `MOST_FAILED + 1` times on average, and there are fewer than
//! twice as many calls as records.

use std::ops::Range;

/// How many times as many records as there are the calls with several of them may see that fail. One guilty record takes less
/// than two: all, a half, a quarter, and so on.
pub const MOST_FAILED: usize = 3;

/// Calls with all of so many records, and in halves with those of which a call comes to nothing. `call` returns whether it
/// went through; one with a single record must be done with that record either way. Calls are made in the order of the
/// records. An error ends it all.
pub fn call_in_halves<E>(records: usize, mut call: impl FnMut(Range<usize>) -> Result<bool, E>) -> Result<(), E> {
    let mut failed = 0;
    // The records that come next are last.
    let mut waiting = Vec::new();
    waiting.push(0..records);
    while let Some(piece) = waiting.pop() {
        if piece.len() > 1 && failed + piece.len() > MOST_FAILED * records {
            for record in piece {
                call(record..record + 1)?;
            }
        } else if !piece.is_empty() && !call(piece.clone())? && piece.len() > 1 {
            failed += piece.len();
            let middle = piece.start + piece.len() / 2;
            waiting.push(middle..piece.end);
            waiting.push(piece.start..middle);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The records that failed alone, those that went through, how many calls there were, and how many records those saw.
    fn called(records: usize, fails: impl Fn(&Range<usize>) -> bool) -> (Vec<usize>, Vec<usize>, usize, usize) {
        let (mut guilty, mut through, mut calls, mut seen) = (Vec::new(), Vec::new(), 0, 0);
        let done: Result<(), ()> = call_in_halves(records, |piece| {
            calls += 1;
            seen += piece.len();
            let fails = fails(&piece);
            if !fails {
                through.extend(piece);
            } else if piece.len() == 1 {
                guilty.push(piece.start);
            }
            Ok(!fails)
        });
        done.expect("nothing stops it");
        (guilty, through, calls, seen)
    }

    #[test]
    fn one_guilty_record_costs_twice_the_records() {
        let (guilty, through, calls, seen) = called(256, |piece| piece.contains(&100));
        assert_eq!((guilty, through.len()), (vec![100], 255));
        assert_eq!((calls, seen), (17, 256 + 2 * 255));
    }

    #[test]
    fn what_always_fails_is_called_a_bounded_number_of_times() {
        let (guilty, _, calls, seen) = called(256, |_| true);
        assert_eq!(guilty, (0..256).collect::<Vec<_>>());
        assert_eq!((calls, seen), (321, 1024));
    }

    #[test]
    fn what_fails_with_many_records_only_goes_through() {
        let (guilty, through, ..) = called(100, |piece| piece.len() > 3);
        assert_eq!((guilty, through), (vec![], (0..100).collect::<Vec<_>>()));
    }

    #[test]
    fn nothing_is_called_with_nothing_and_an_error_ends_it() {
        assert_eq!(called(0, |_| true).2, 0);
        let mut calls = 0;
        let stopped = call_in_halves(8, |_| {
            calls += 1;
            if calls == 3 { Err("stop") } else { Ok(false) }
        });
        assert_eq!((stopped, calls), (Err("stop"), 3));
    }

    proptest! {
        #[test]
        fn exactly_the_guilty_fail_and_the_cost_is_bounded(guilty in prop::collection::vec(any::<bool>(), 0..600)) {
            let records = guilty.len();
            let (failed, through, calls, seen) = called(records, |piece| guilty[piece.clone()].contains(&true));
            let (bad, good): (Vec<_>, Vec<_>) = (0..records).partition(|record| guilty[*record]);
            prop_assert_eq!(failed, bad);
            prop_assert_eq!(through, good);
            prop_assert!(calls <= 2 * records);
            prop_assert!(seen <= (MOST_FAILED + 1) * records);
        }
    }
}
