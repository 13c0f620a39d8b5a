//! Durations end at the last exit of the call.

use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Instrument, Span, info_span, instrument};

use support::Ledger;

/// Passes real time, without giving up the processor.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[test]
fn a_detached_child_does_not_lengthen_the_call() {
    #[instrument(name = "quote_tables_for_booking", fields(success = true))]
    fn leaves_a_child_behind() -> Span {
        spin(Duration::from_millis(22));
        info_span!("auto_assign.quote", success = true, child = true)
    }
    Ledger::on_every_store(|ledger| {
        ledger.run(|| {
            let start = Instant::now();
            let child = leaves_a_child_behind();
            let call = start.elapsed();
            // The parent closes only with its child, a good while later.
            spin(Duration::from_millis(100));
            drop(child);
            let rows = ledger.quotes();
            let parent =
                rows.iter().find(|row| row.context.get("child").is_none()).expect("the parent's row");
            let duration = parent.ms("planner_duration_ms");
            assert!((22.0..=millis(call)).contains(&duration), "{duration} ms of {call:?}");
        });
    });
}

#[test]
fn a_finished_future_that_is_kept_does_not_lengthen_the_call() {
    #[instrument(name = "quote_tables_for_booking", ret)]
    async fn inner() -> u32 {
        spin(Duration::from_millis(5));
        7
    }
    let ledger = Ledger::memory();
    ledger.block_on(async {
        let start = Instant::now();
        let mut call = Box::pin(inner().instrument(info_span!("outer")));
        call.as_mut().await;
        let took = start.elapsed();
        spin(Duration::from_millis(50));
        drop(call);
        let duration = ledger.quote().ms("planner_duration_ms");
        assert!((5.0..=millis(took)).contains(&duration), "{duration} ms of {took:?}");
    });
}

#[test]
fn waiting_between_polls_counts() {
    #[instrument(name = "quote_tables_for_booking", skip_all, fields(success = Empty))]
    async fn waits(turn: tokio::sync::oneshot::Receiver<()>) {
        turn.await.expect("its turn comes");
        Span::current().record("success", true);
    }
    let ledger = Ledger::memory();
    ledger.block_on(async {
        let (turn, comes) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(waits(comes));
        tokio::task::yield_now().await;
        spin(Duration::from_millis(20));
        turn.send(()).expect("the call waits");
        task.await.expect("the call ends");
    });
    assert!(ledger.quote().ms("planner_duration_ms") >= 20.0);
}
