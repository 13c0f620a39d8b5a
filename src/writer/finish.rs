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
        let mut source = source.borrow_mut();
        // The last try: the disk may work again.
        source.retry_at = None;
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
    source.queue.is_past(mark) || source.has_unspooled()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use tracing_subscriber::prelude::*;

    use super::super::notices::Notices;
    use super::super::open_spool;
    use super::*;
    use crate::census::Census;
    use crate::layer::LedgerLayer;
    use crate::queue::{Overflow, Queue};
    use crate::rules::Rules;
    use crate::spool::SpoolOptions;

    #[test]
    fn records_are_on_disk_at_the_end_although_the_disk_failed_a_moment_ago() {
        const RECORDS: u32 = 3000;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let queue = Arc::new(Queue::new(65_536, Overflow::default(), 50));
        let options = SpoolOptions { limit_bytes: 1 << 30, sync_interval: None };
        let spool = open_spool(folder.path(), options, &queue).expect("it can be opened");
        let notices = Rc::new(Notices::new(queue.clone()));
        let source =
            Source::new(queue.clone(), Arc::default(), notices, Census::of_nothing(), 50, Some(spool));
        let source = RefCell::new(source);
        let layer =
            LedgerLayer::new(Rules::builtin(), tracing_subscriber::filter::LevelFilter::TRACE, queue.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for number in 0..RECORDS {
                tracing::info!(name: "auto_assign.started", target: "test", number);
            }
        });
        source.borrow_mut().retry_at = Some(Instant::now() + Duration::from_secs(3600));
        // Sends the thread's chunk.
        queue.mark();
        while source.borrow_mut().fill() {}
        assert!(source.borrow().has_unspooled(), "the disk is left alone");

        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(finish(&source, Rest { rows: Vec::new(), about_losses: Vec::new() }));
        let stats = queue.account.stats();
        assert_eq!((stats.spooled, stats.in_flight), (RECORDS.into(), 0), "{stats}");
    }
}
