//! Under `set_global_default`, where a lock taken twice on one thread hangs instead of going unseen.

use std::cell::RefCell;
use std::fmt;

use support::{DEADLINE, alone};
use tracing::field::debug;
use tracing::{Span, info, info_span};
use tracing_ledger::store::Memory;
use tracing_subscriber::{Registry, prelude::*};

struct Chatty;

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(name: "auto_assign.started", from = "Debug");
        Span::current().record("note", "from Debug");
        info_span!("auto_assign.quote", success = true, note = 1).in_scope(|| f.write_str("chatty"))
    }
}

/// Makes a call as its thread ends, when thread-locals of others may be gone already.
struct LastWords;

impl Drop for LastWords {
    fn drop(&mut self) {
        info_span!("auto_assign.quote", success = true, last_words = true).in_scope(|| ());
    }
}

thread_local! {
    static LAST_WORDS: RefCell<Option<LastWords>> = const { RefCell::new(None) };
}

#[test]
fn calls_within_debug_and_at_the_end_of_a_thread_do_not_hang_and_are_not_lost() {
    alone(
        "global_default::calls_within_debug_and_at_the_end_of_a_thread_do_not_hang_and_are_not_lost",
        call_within_calls,
    );
}

fn call_within_calls() {
    let memory = Memory::default();
    let (ledger, guard) = tracing_ledger::builder().build_with::<Registry>(memory.clone()).expect("a ledger");
    let registry = tracing_subscriber::registry().with(ledger);
    tracing::subscriber::set_global_default(registry).expect("the first and only one");

    info_span!("auto_assign.job", result = "succeeded", trigger = ?Chatty).in_scope(|| {
        let call = info_span!("auto_assign.quote", success = true, note = tracing::field::Empty);
        call.in_scope(|| {
            Span::current().record("note", debug(Chatty));
            info!(name: "auto_assign.attempt", reason = ?Chatty);
        });
    });

    for _ in 0..8 {
        let thread = std::thread::spawn(|| {
            info_span!("auto_assign.quote", success = true, on_thread = true).in_scope(|| ());
            // Set up last, so dropped first: the registry itself cannot begin a span once its own are gone.
            LAST_WORDS.set(Some(LastWords));
        });
        thread.join().expect("the thread ends in peace");
    }

    let stats = guard.shutdown(DEADLINE).expect("everything is written");
    let count = |what: &str| memory.rows().iter().filter(|event| event.context.contains(what)).count();
    assert_eq!(count("on_thread"), 8);
    assert_eq!(count("last_words"), 8);
    let heirs = count(r#""trigger":"chatty""#);
    assert_eq!(heirs, 4, "the job, the call that inherits from it, and those that Debug makes within it");
    assert_eq!(stats.offered, stats.written);
}
