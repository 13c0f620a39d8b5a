//! A thread holds stderr while `eprintln!` formats its arguments. Threads that print notices wait for it, and it waits for
//! none of them.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use support::{DEADLINE, alone};
use tracing::info_span;
use tracing_ledger::store::Memory;
use tracing_ledger::{Guard, builder};
use tracing_subscriber::prelude::*;

/// How long the other thread has for coming to the point where it waits.
const MEANWHILE: Duration = Duration::from_millis(500);

fn span() -> tracing::Span {
    info_span!("quote_tables_for_booking", success = true)
}

/// Ends a span that another thread has made, after the end of the ledger: a line on stderr reports it.
fn end_late(guard: Guard, span: tracing::Span, is_near: &AtomicBool) {
    guard.shutdown(DEADLINE).expect("there is nothing to write");
    is_near.store(true, Ordering::Release);
    drop(span);
}

#[test]
fn a_thread_that_holds_stderr_can_make_spans_while_another_prints_a_notice() {
    alone(
        "stderr_in_hand::a_thread_that_holds_stderr_can_make_spans_while_another_prints_a_notice",
        hold_stderr,
    );
}

fn hold_stderr() {
    static IS_NEAR: AtomicBool = AtomicBool::new(false);
    let (layer, guard) = builder().build_with(Memory::default()).expect("the defaults are sound");
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).expect("the first");
    let (done, is_done) = mpsc::channel();
    let (give, given) = mpsc::channel();
    thread::spawn(move || {
        let in_hand = io::stderr().lock();
        give.send(span()).expect("the other is there");
        while !IS_NEAR.load(Ordering::Acquire) {
            thread::yield_now();
        }
        // Meanwhile the other thread comes to the point where it waits. A slow machine makes fewer spans here, no more.
        let started = Instant::now();
        while started.elapsed() < MEANWHILE {
            span().in_scope(thread::yield_now);
        }
        drop(in_hand);
        done.send(()).expect("the test waits");
    });
    let late = thread::spawn(move || end_late(guard, given.recv().expect("it is made"), &IS_NEAR));
    is_done.recv_timeout(DEADLINE).expect("it waits for nobody");
    late.join().expect("it says it and goes on");
}
