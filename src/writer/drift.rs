//! Whether it is the rows that the store refuses for good, or the schema that has changed under all of them.
//!
//! A few bad rows are set aside. When everything is refused, setting aside would empty the ledger into the
//! quarantine, and is to be told from that also while rows come one by one: so the rows before count too.

/// More than one in this many refused is a schema that has drifted.
const SHARE: f64 = 10.0;
/// How many of the latest rows count.
const ROWS: f64 = 100.0;
/// No fewer rows tell anything: the first two refusals are always the rows' own.
const LEAST_ROWS: f64 = 20.0;

/// How the latest rows fared: sums in which older rows weigh less and less.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drift {
    rows: f64,
    refused: f64,
}

impl Drift {
    /// Whether a batch of so many rows, so many of which are refused, shows it.
    pub(super) fn shows(&self, rows: usize, refused: usize) -> bool {
        let rows = (self.rows + rows as f64).max(LEAST_ROWS);
        (self.refused + refused as f64) * SHARE > rows
    }

    /// Takes note of a batch that is dealt with.
    pub(super) fn note(&mut self, rows: usize, refused: usize) {
        self.rows += rows as f64;
        self.refused += refused as f64;
        if self.rows > ROWS {
            self.refused *= ROWS / self.rows;
            self.rows = ROWS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many rows are set aside one by one until the rest is held.
    fn set_aside(mut drift: Drift) -> usize {
        let mut rows = 0;
        while !drift.shows(1, 1) {
            drift.note(1, 1);
            rows += 1;
        }
        rows
    }

    #[test]
    fn rows_that_come_one_by_one_are_soon_held() {
        assert_eq!(set_aside(Drift::default()), 2);
        let mut calm = Drift::default();
        calm.note(100_000, 0);
        assert!((10..=12).contains(&set_aside(calm)), "{}", set_aside(calm));
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
            let refused = usize::from(row % 20 == 0);
            assert!(!drift.shows(1, refused), "row {row}");
            drift.note(1, refused);
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
