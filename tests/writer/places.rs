//! The guard works wherever it is called, and nowhere waits for itself.

use std::sync::{Arc, OnceLock};

use tracing_ledger::Guard;
use tracing_ledger::store::Memory;

use crate::books::{Answers, DEADLINE, emit, open, untimed};

#[test]
fn the_guard_works_inside_a_current_thread_runtime() {
    let memory = Memory::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (dispatch, guard) = open(untimed(), memory.clone());
        emit(&dispatch, 0..3);
        guard.flush(DEADLINE).expect("memory is there");
        emit(&dispatch, 3..5);
        guard.shutdown(DEADLINE).expect("memory is there");
    });
    assert_eq!(memory.rows().len(), 5);
}

#[test]
fn the_guard_works_within_a_span_of_the_ledger() {
    let memory = Memory::default();
    let (dispatch, guard) = open(untimed(), memory.clone());
    tracing::dispatcher::with_default(&dispatch, || {
        let span = tracing::info_span!("auto_assign.job").entered();
        emit(&dispatch, [0]);
        guard.flush(DEADLINE).expect("memory is there");
        drop(span);
        guard.shutdown(DEADLINE).expect("memory is there");
    });
    assert_eq!(memory.rows().len(), 2);
}

#[test]
fn the_guard_refuses_to_wait_on_the_thread_of_the_writer() {
    let guard = Arc::new(OnceLock::<Guard>::new());
    let within = Arc::clone(&guard);
    let store = Answers(move |_: &[_], _| {
        let error = within.wait().flush(DEADLINE).expect_err("it would wait for itself");
        assert!(
            error.is_closed() && error.to_string().starts_with("flush: the writer's own thread"),
            "{error}"
        );
        Ok(())
    });
    let (dispatch, opened) = open(untimed(), store);
    let guard = guard.get_or_init(|| opened);
    emit(&dispatch, [0]);
    assert_eq!(guard.flush(DEADLINE).expect("the store has nothing to complain about").written, 1);
}
