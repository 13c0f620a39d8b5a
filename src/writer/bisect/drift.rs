//! Drift: the table has changed, and rejects more rows than a few bad ones explain.
//!
//! A few bad rows are quarantined. Under drift, quarantine would take every row of the ledger, so the writer holds
//! the rows instead. Rows may come one by one, so the latest batches count too.

/// The table has drifted if it rejects more than one row in this many.
const SHARE: f64 = 10.0;
/// The number of latest rows that count.
const ROWS: f64 = 100.0;
/// Fewer rows show no drift: the first two rejected rows are always quarantined.
const LEAST_ROWS: f64 = 20.0;

/// The numbers of the latest rows and of the rejected rows among them. Older rows weigh less.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::writer) struct Drift {
    rows: f64,
    rejected: f64,
}

impl Drift {
    /// Whether a batch of `rows` rows shows drift when `rejected` of them are rejected.
    pub(in crate::writer) fn shows(&self, rows: usize, rejected: usize) -> bool {
        let rows = (self.rows + rows as f64).max(LEAST_ROWS);
        (self.rejected + rejected as f64) * SHARE > rows
    }

    /// Counts a batch when each of its rows is stored or rejected.
    pub(in crate::writer) fn note(&mut self, rows: usize, rejected: usize) {
        self.rows += rows as f64;
        self.rejected += rejected as f64;
        if self.rows > ROWS {
            self.rejected *= ROWS / self.rows;
            self.rows = ROWS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of rows that are quarantined one by one before the rest is held.
    fn quarantined(mut drift: Drift) -> usize {
        let mut rows = 0;
        while !drift.shows(1, 1) {
            drift.note(1, 1);
            rows += 1;
        }
        rows
    }

    #[test]
    fn rows_that_come_one_by_one_are_soon_held() {
        assert_eq!(quarantined(Drift::default()), 2);
        let mut calm = Drift::default();
        calm.note(100_000, 0);
        assert!((10..=12).contains(&quarantined(calm)), "{}", quarantined(calm));
    }

    #[test]
    fn a_tenth_of_a_batch_is_not_held_and_more_is() {
        assert!(!Drift::default().shows(1000, 100));
        assert!(Drift::default().shows(1000, 101));
    }

    #[test]
    fn one_bad_row_now_and_then_is_never_held() {
        let mut drift = Drift::default();
        for row in 0..10_000 {
            let rejected = usize::from(row % 20 == 0);
            assert!(!drift.shows(1, rejected), "row {row}");
            drift.note(1, rejected);
        }
    }

    #[test]
    fn bad_rows_of_long_ago_are_forgiven() {
        let mut drift = Drift::default();
        drift.note(100, 10);
        assert!(drift.shows(1, 1));
        drift.note(1000, 0);
        assert!(!drift.shows(1, 1));
    }
}
