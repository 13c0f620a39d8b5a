//! The end of the writer. With a spool, every row is put on disk.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::source::Source;
use crate::row::Row;

/// How long after the deadline of a stop the writer waits for records that are about to enter the queue.
const LAST_RECORDS: Duration = Duration::from_millis(20);
/// The wait between two looks for such a record.
const ON_ITS_WAY: Duration = Duration::from_millis(1);

/// Rows that are only in memory when the writer ends.
pub(super) struct Rest {
    /// Rows of the batch in hand.
    pub(super) rows: Vec<Row>,
    /// Rows about losses.
    pub(super) about_losses: Vec<Row>,
}

/// With a spool, puts all rows on disk. Reports the account for the last time.
pub(super) async fn finish(source: &RefCell<Source>, rest: Rest) {
    if source.borrow().has_spool() {
        wait_for_records(source).await;
        source.borrow_mut().save(rest.rows, rest.about_losses);
    }
    source.borrow().notices.report_end();
}

async fn wait_for_records(source: &RefCell<Source>) {
    let (mark, stop) = {
        let source = source.borrow();
        (source.queue.mark(), source.control.orders().stop)
    };
    let until = stop.unwrap_or_else(Instant::now).max(Instant::now()) + LAST_RECORDS;
    while !fill_up_to(&mut source.borrow_mut(), mark) && Instant::now() < until {
        tokio::time::sleep(ON_ITS_WAY).await;
    }
}

/// Whether all records up to the mark are on disk, or the disk takes no more.
fn fill_up_to(source: &mut Source, mark: u64) -> bool {
    while source.fill() && !source.queue.is_past(mark) {}
    source.queue.is_past(mark) || source.is_held_up()
}
