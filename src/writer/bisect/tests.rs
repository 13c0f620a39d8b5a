//! Bisection: which rows are rejected, and after how many statements.

use std::ops::RangeInclusive;
use std::time::UNIX_EPOCH;

use uuid::Uuid;

use super::*;

fn batch(numbers: RangeInclusive<u128>) -> Batch {
    Batch::new(numbers.map(row).collect(), Origin::Queue)
}

fn row(number: u128) -> Row {
    Row {
        id: Uuid::from_u128(number),
        created_at: UNIX_EPOCH,
        source: "test".into(),
        event_type: "test".into(),
        severity: crate::severity::Severity::Info,
        context: "{}".to_owned(),
        restaurant_id: None,
        booking_id: None,
    }
}

fn numbers(rows: &[Row]) -> Vec<u128> {
    rows.iter().map(|row| row.id.as_u128()).collect()
}

fn rejected(mut batch: Batch) -> Vec<u128> {
    let rejected = std::iter::from_fn(|| batch.pop_rejected());
    rejected.inspect(|(_, reason)| assert_eq!(reason, "no")).map(|(row, _)| row.id.as_u128()).collect()
}

fn rejection() -> InsertError {
    InsertError::new(Failure::Quarantine, "no")
}

/// Tries pieces until none is left or the table seems to have drifted. Returns the numbers of statements.
fn try_all(batch: &mut Batch, is_bad: impl Fn(u128) -> bool) -> (usize, Rejection) {
    let mut statements = 0;
    while let Some((piece, _)) = batch.next() {
        statements += 1;
        if !numbers(piece).into_iter().any(&is_bad) {
            batch.stored();
        } else if batch.reject(&rejection(), &Drift::default()) == Rejection::Drift {
            return (statements, Rejection::Drift);
        }
    }
    (statements, Rejection::Row)
}

#[test]
fn exactly_the_bad_rows_are_rejected() {
    for bad in 1..=30 {
        let mut batch = batch(1..=30);
        try_all(&mut batch, |number| number == bad || number == 15);
        let mut expected = vec![bad.min(15), bad.max(15)];
        expected.dedup();
        assert_eq!(rejected(batch), expected);
    }
}

#[test]
fn while_the_schema_has_drifted_one_statement_asks_whether_it_still_has() {
    let mut batch = batch(1..=1000);
    let (found_in, _) = try_all(&mut batch, |_| true);
    assert!(found_in > 100);
    assert_eq!(try_all(&mut batch, |_| true), (1, Rejection::Drift));
    assert_eq!(try_all(&mut batch, |_| true), (1, Rejection::Drift));
    let (mended_in, rejection) = try_all(&mut batch, |_| false);
    assert_eq!(rejection, Rejection::Row);
    assert!(mended_in < 20, "rows that were rejected one by one go together again: {mended_in}");
    assert_eq!(batch.rejected(), 0);
}

#[test]
fn a_row_that_is_bad_of_itself_does_not_hide_that_the_schema_is_mended() {
    for bad in 1..=8 {
        let mut batch = batch(1..=8);
        assert_eq!(try_all(&mut batch, |_| true).1, Rejection::Drift);
        let tries: Vec<_> =
            std::iter::repeat_with(|| try_all(&mut batch, |number| number == bad)).take(2).collect();
        assert!(tries.iter().any(|(_, rejection)| *rejection == Rejection::Row), "{bad}: {tries:?}");
        assert_eq!(rejected(batch), [bad]);
    }
}

#[test]
fn neighbours_that_are_bad_of_themselves_do_not_hide_it_either() {
    for first in [1, 490, 981] {
        let is_bad = |number| (first..first + 20).contains(&number);
        let mut batch = batch(1..=1000);
        assert_eq!(try_all(&mut batch, |_| true).1, Rejection::Drift);
        let tries = std::iter::repeat_with(|| try_all(&mut batch, is_bad).1).take(3);
        let tries: Vec<_> = tries.take_while(|cause| *cause == Rejection::Drift).collect();
        assert!(tries.len() < 3, "from {first}: {tries:?}");
        assert_eq!(rejected(batch), (first..first + 20).collect::<Vec<_>>());
    }
}

#[test]
fn a_joined_batch_has_no_more_rows_than_before() {
    let mut held = batch(1..=10);
    for first in (11..600).step_by(10) {
        while !held.is_stuck() {
            assert_eq!(try_all(&mut held, |_| true).1, Rejection::Drift);
        }
        held = held.join(batch(first..=first + 9));
    }
    assert_eq!(held.next().map(|(_, attempt)| attempt), Some(Attempt::Retry));
    let mut largest = 0;
    while let Some((piece, _)) = held.next() {
        largest = largest.max(piece.len());
        held.stored();
    }
    assert_eq!((held.len(), largest), (600, 10));
}

#[test]
fn large_rows_go_together_up_to_a_limit_and_no_more_are_taken_in() {
    let large = |number| Row { context: "x".repeat(PIECE_BYTES / 4), ..row(number) };
    let mut held = Batch::new((1..=20).map(large).collect(), Origin::Queue);
    assert!(!held.has_room(1000) && batch(1..=20).has_room(1000));
    while !held.is_stuck() {
        assert_eq!(try_all(&mut held, |_| true).1, Rejection::Drift);
    }
    let mut pieces = Vec::new();
    while let Some((piece, _)) = held.next() {
        pieces.push(piece.len());
        held.stored();
    }
    assert!(pieces.iter().all(|piece| *piece <= 4) && pieces.len() <= 7, "{pieces:?}");
}

#[test]
fn bad_rows_are_told_from_a_bad_schema_by_those_that_came_after_them() {
    let mut stuck = batch(1..=29);
    let is_bad = |number| number <= 3;
    while !stuck.is_stuck() {
        assert_eq!(try_all(&mut stuck, is_bad).1, Rejection::Drift);
    }
    assert_eq!(try_all(&mut stuck, is_bad), (1, Rejection::Drift), "nothing else is left");
    let mut joined = stuck.join(batch(30..=31));
    assert_eq!((joined.len(), numbers(&joined.rows)), (31, vec![1, 2, 3, 30, 31]));
    assert_eq!(try_all(&mut joined, is_bad).1, Rejection::Row);
    assert_eq!(rejected(joined), [1, 2, 3]);
}

#[test]
fn only_the_very_first_piece_is_a_first_try() {
    for may_be_stored in [false, true] {
        let mut spooled = SpooledRows::default();
        spooled.rows = (1..=2).map(row).collect();
        spooled.may_be_stored = may_be_stored;
        let mut batch = Batch::from_spool(spooled, 1);
        let first = if may_be_stored { Attempt::Replay } else { Attempt::First };
        assert_eq!(batch.next().map(|(_, attempt)| attempt), Some(first));
        assert!(batch.halve());
        for number in 1..=2 {
            assert_eq!(batch.next(), Some((&[row(number)][..], Attempt::Retry)));
            assert!(!batch.halve());
            assert_eq!(batch.stored(), 1);
        }
        assert_eq!(batch.next(), None);
    }
}
