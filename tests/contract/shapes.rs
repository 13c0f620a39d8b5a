//! A function that tells nothing has returned where that is sure, and no future that is dropped is ever taken for one.

use std::future::{self, Future};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use support::Ledger;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Instrument as _, Metadata, Span, Subscriber, info_span, instrument};
use tracing_ledger::{Rule, Rules};

/// As many calls as the manual says.
const PROVING_CALLS: usize = 16;

fn ledger() -> Ledger {
    let rule = Rule::span("*").target(module_path!());
    Ledger::memory_with(tracing_ledger::builder().rules(Rules::from_rules([rule]).expect("a sound rule")))
}

fn outcomes(ledger: &Ledger) -> Vec<String> {
    ledger.rows().iter().map(|row| row.get("outcome").as_str().unwrap_or_default().to_owned()).collect()
}

/// Calls it until a row says `ok`. A thread that loses its processor at a wrong moment begins anew.
#[track_caller]
fn assert_proves_itself(call: impl Fn()) {
    let ledger = ledger();
    for _ in 0..100 {
        ledger.run(|| (0..=PROVING_CALLS).for_each(|_| call()));
        let outcomes = outcomes(&ledger);
        assert!(outcomes.iter().all(|outcome| outcome == "ok" || outcome == "unknown"), "{outcomes:?}");
        assert!(outcomes[..PROVING_CALLS].iter().all(|outcome| outcome == "unknown"), "{outcomes:?}");
        if outcomes.iter().any(|outcome| outcome == "ok") {
            let ok = ledger.rows().into_iter().find(|row| row.get("outcome") == "ok").expect("it is there");
            assert_eq!((ok.get("success"), ok.severity.as_str()), (&true.into(), "info"));
            return;
        }
    }
    panic!("no call ever counts as returned");
}

#[track_caller]
fn assert_never_ok(ledger: &Ledger) {
    let outcomes = outcomes(ledger);
    assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| outcome == "unknown"), "{outcomes:?}");
}

#[instrument]
fn plain() {}

#[instrument(err)]
fn fallible(fails: bool) -> Result<(), &'static str> {
    if fails { Err("it fails") } else { Ok(()) }
}

#[test]
fn a_function_proves_itself_by_its_first_calls() {
    assert_proves_itself(plain);
    assert_proves_itself(|| fallible(false).expect("it returns"));
    assert_proves_itself(|| info_span!("in_scope").in_scope(|| ()));
    assert_proves_itself(|| drop(info_span!("entered").entered()));
}

#[test]
fn a_function_that_has_returned_an_error_once_needs_no_proof() {
    let ledger = ledger();
    ledger.run(|| {
        fallible(true).expect_err("it fails");
        // A thread may lose its processor at the wrong moment, not each time.
        (0..100).for_each(|_| fallible(false).expect("it returns"));
    });
    let outcomes = outcomes(&ledger);
    assert_eq!(outcomes[0], "error");
    assert!(outcomes.iter().filter(|outcome| *outcome == "ok").count() > 50, "{outcomes:?}");
}

#[test]
fn a_function_that_panics_has_not_returned() {
    #[instrument]
    fn panics(now: bool) {
        assert!(!now, "now");
    }
    let ledger = ledger();
    ledger.run(|| {
        (0..=PROVING_CALLS).for_each(|_| panics(false));
        std::panic::catch_unwind(|| panics(true)).expect_err("it panics");
    });
    assert_eq!(outcomes(&ledger).last().map(String::as_str), Some("panic"));
}

/// Enters its span itself at every poll, as the future of tower-http does.
struct ByHand<F> {
    span: Span,
    inner: F,
}

impl<F: Future + Unpin> Future for ByHand<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { span, inner } = &mut *self;
        let _entered = span.enter();
        Pin::new(inner).poll(cx)
    }
}

async fn yields(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

/// A call that is polled so often before it ends.
fn by_hand(polls: usize) -> ByHand<Pin<Box<dyn Future<Output = ()>>>> {
    around(Box::pin(yields(polls - 1)))
}

/// Every such future has the same callsite.
fn around<F>(inner: F) -> ByHand<F> {
    ByHand { span: info_span!("by_hand"), inner }
}

fn poll_once(future: impl Future) {
    drop(pin!(future).poll(&mut Context::from_waker(Waker::noop())));
}

/// Writes down the calls that a span makes to tracing.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<&'static str>>>);

impl Calls {
    fn of(work: impl FnOnce()) -> Vec<&'static str> {
        let calls = Self::default();
        tracing::subscriber::with_default(calls.clone(), work);
        let calls = calls.0.lock().expect("nothing panics");
        calls.clone()
    }

    fn note(&self, call: &'static str) {
        self.0.lock().expect("nothing panics").push(call);
    }
}

impl Subscriber for Calls {
    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        meta.target() == module_path!()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.note("new_span");
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {
        self.note("record");
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {
        self.note("record_follows_from");
    }

    fn event(&self, _: &Event<'_>) {
        self.note("event");
    }

    fn enter(&self, _: &Id) {
        self.note("enter");
    }

    fn exit(&self, _: &Id) {
        self.note("exit");
    }

    fn try_close(&self, _: Id) -> bool {
        self.note("try_close");
        true
    }
}

/// This is why a callsite has to prove itself, and why one that never shows a second enter cannot be found out.
#[test]
fn a_future_that_is_dropped_after_its_first_poll_makes_the_same_calls_as_a_function() {
    let function = Calls::of(plain);
    assert_eq!(function, ["new_span", "enter", "exit", "try_close"]);
    assert_eq!(Calls::of(|| poll_once(by_hand(2))), function);
    let again = Calls::of(|| poll_once(yields(1).instrument(info_span!("instrumented"))));
    assert_eq!(again, ["new_span", "enter", "exit", "enter", "exit", "try_close"], "to drop the future");
}

#[test]
fn a_future_that_was_polled_twice_once_is_a_future_for_good() {
    let ledger = ledger();
    ledger.block_on(async {
        by_hand(2).await;
        for _ in 0..10 * PROVING_CALLS {
            tokio::select! {
                biased;
                () = by_hand(2) => unreachable!("it takes two polls"),
                () = future::ready(()) => {}
            }
            poll_once(by_hand(2));
            by_hand(1).await;
        }
    });
    assert_never_ok(&ledger);
}

#[test]
fn a_future_that_is_dropped_after_its_first_poll_proves_nothing_at_first() {
    let ledger = ledger();
    ledger.block_on(async {
        for _ in 0..PROVING_CALLS {
            tokio::select! {
                biased;
                () = by_hand(2) => unreachable!("it takes two polls"),
                () = future::ready(()) => {}
            }
        }
    });
    assert_never_ok(&ledger);
}

#[test]
fn a_future_that_times_out_has_not_returned() {
    let ledger = ledger();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    ledger.run(|| {
        runtime.block_on(async {
            for _ in 0..2 * PROVING_CALLS {
                by_hand(1).await;
                let hangs = around(future::pending::<()>());
                tokio::time::timeout(Duration::from_millis(1), hangs).await.expect_err("it hangs");
            }
        });
    });
    // Each timeout makes the callsite begin anew.
    assert_never_ok(&ledger);
}

#[test]
fn a_future_that_moves_to_another_thread_has_not_returned() {
    let ledger = ledger();
    ledger.run(|| (0..PROVING_CALLS).for_each(|_| plain_by_hand(drop)));
    ledger.run(|| plain_by_hand(|span| std::thread::scope(|scope| _ = scope.spawn(|| drop(span)).join())));
    ledger.run(|| (0..10 * PROVING_CALLS).for_each(|_| plain_by_hand(drop)));
    assert_never_ok(&ledger);
}

fn plain_by_hand(close: impl FnOnce(Span)) {
    let span = info_span!("by_hand");
    span.in_scope(|| ());
    close(span);
}

#[test]
fn an_instrumented_future_has_never_returned_without_a_word() {
    #[instrument(err)]
    async fn works(polls: usize) -> Result<(), String> {
        yields(polls).await;
        Ok(())
    }
    let ledger = ledger();
    ledger.block_on(async {
        for _ in 0..10 * PROVING_CALLS {
            tokio::select! {
                biased;
                _ = works(1) => unreachable!("it takes two polls"),
                () = yields(0).instrument(info_span!("in_select")) => {}
            }
            works(0).await.expect("it returns");
            poll_once(works(1));
        }
    });
    assert_never_ok(&ledger);
}

#[test]
fn an_instrumented_future_that_was_polled_once_is_a_future_for_good() {
    let ledger = ledger();
    let make = || yields(0).instrument(info_span!("made"));
    ledger.block_on(async {
        make().await;
        (0..10 * PROVING_CALLS).for_each(|_| drop(make()));
    });
    assert_never_ok(&ledger);
}

/// Its span is entered on both sides: by the function and by the future that it gave its span to.
#[test]
fn a_function_that_gives_its_span_away_is_not_sure() {
    #[instrument]
    fn starts() -> impl Future<Output = ()> {
        yields(0).instrument(Span::current())
    }
    let ledger = ledger();
    ledger.block_on(async {
        for _ in 0..2 * PROVING_CALLS {
            starts().await;
        }
    });
    assert_never_ok(&ledger);
}

mod hidden {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tracing::subscriber::Interest;
    use tracing_subscriber::layer;
    use tracing_subscriber::prelude::*;

    use super::*;

    #[instrument(ret(level = "trace"), fields(success = tracing::field::Empty))]
    async fn returns() {}

    /// The level of the program lets the event through, and the filter of another layer hides it from all.
    #[test]
    fn a_call_whose_return_another_filter_hides_is_unknown_and_not_cancelled() {
        let memory = tracing_ledger::store::Memory::default();
        let rule = Rule::span("returns").target(module_path!());
        let builder = tracing_ledger::builder().rules(Rules::from_rules([rule]).expect("a sound rule"));
        let (ledger, guard) = builder.build_with(memory.clone()).expect("a ledger");
        let subscriber = tracing_subscriber::registry().with(HidesEvents::default()).with(ledger);
        tracing::subscriber::with_default(subscriber, || (0..3).for_each(|_| poll_once(returns())));
        guard.shutdown(support::DEADLINE).expect("memory is there");
        let rows = memory.rows();
        assert_eq!(rows.len(), 3);
        for row in rows {
            assert!(row.context.contains(r#""outcome":"unknown""#), "{}", row.context);
        }
    }

    /// The manual warns of it: a filter that changes its mind tells no layer.
    #[test]
    fn a_return_that_a_filter_hides_later_reads_cancelled() {
        #[instrument(ret(level = "trace"))]
        async fn reports() {}

        let memory = tracing_ledger::store::Memory::default();
        let rule = Rule::span("reports").target(module_path!());
        let builder = tracing_ledger::builder().rules(Rules::from_rules([rule]).expect("a sound rule"));
        let (ledger, guard) = builder.build_with(memory.clone()).expect("a ledger");
        let filter = HidesEvents::default();
        filter.lets_events.store(true, Ordering::Relaxed);
        let lets_events = Arc::clone(&filter.lets_events);
        let subscriber = tracing_subscriber::registry().with(filter).with(ledger);
        tracing::subscriber::with_default(subscriber, || {
            poll_once(reports());
            lets_events.store(false, Ordering::Relaxed);
            poll_once(reports());
        });
        guard.shutdown(support::DEADLINE).expect("memory is there");
        let has =
            |row: &tracing_ledger::Row, outcome| row.context.contains(&format!(r#""outcome":"{outcome}""#));
        let rows = memory.rows();
        assert!(has(&rows[0], "ok") && has(&rows[1], "cancelled"), "{rows:?}");
    }

    /// A global filter that decides call by call, as an `EnvFilter` with fields does.
    #[derive(Default)]
    struct HidesEvents {
        lets_events: Arc<AtomicBool>,
    }

    impl<S: Subscriber> tracing_subscriber::Layer<S> for HidesEvents {
        fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
            Interest::sometimes()
        }

        fn enabled(&self, meta: &Metadata<'_>, _: layer::Context<'_, S>) -> bool {
            meta.is_span() || self.lets_events.load(Ordering::Relaxed)
        }
    }
}
