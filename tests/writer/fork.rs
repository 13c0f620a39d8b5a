//! A forked child has no writer: it refuses, waits for nothing, and leaves the parent's rows to the parent. A ledger of
//! its own works.

use tracing_ledger::store::Memory;

use crate::books::{DEADLINE, emit, open, untimed};

/// Set in the process that forks. It is one of its own, with none of the other tests' threads in it.
const FORKING: &str = "LEDGER_TEST_FORKS";

#[test]
fn a_forked_child_refuses_and_returns_at_once() {
    if std::env::var_os(FORKING).is_some() {
        return fork_and_check();
    }
    let output = support::this_test("fork::a_forked_child_refuses_and_returns_at_once")
        .env(FORKING, "1")
        .output()
        .expect("the test starts itself");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{stderr}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(stderr.matches("tracing-ledger: a forked child records nothing").count(), 1, "{stderr}");
}

#[expect(unsafe_code, reason = "there is no safe fork")]
fn fork_and_check() {
    let memory = Memory::default();
    let (dispatch, guard) = open(untimed(), memory.clone());
    emit(&dispatch, 0..3);
    // SAFETY: the child allocates, which glibc and musl allow after a fork, touches no lock but the guard's own
    // promise, and ends without running anything of the parent's.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            emit(&dispatch, 3..5);
            let stats = guard.stats();
            assert_eq!((stats.accepted, stats.refused.forked), (3, 2));
            tracing::dispatcher::with_default(&dispatch, || {
                tracing::info!(name: "auto_assign.started", "first met here");
                tracing::info_span!("quote_tables_for_booking").in_scope(|| ());
                tracing::info!(name: "other", "no rule names it");
            });
            assert_eq!(guard.stats().refused.forked, 4);
            assert!(guard.flush(DEADLINE).is_err_and(|error| error.is_closed()));
            assert!(guard.quarantined().is_empty());
            assert!(guard.shutdown(DEADLINE).is_err_and(|error| error.is_closed()));

            let (own, memory) = (Memory::default(), &memory);
            let (dispatch, guard) = open(untimed(), own.clone());
            emit(&dispatch, 5..9);
            assert_eq!(guard.shutdown(DEADLINE).expect("it has a writer of its own").written, 4);
            assert_eq!((own.rows().len(), memory.rows().len()), (4, 0));
        }));
        // SAFETY: it ends the process and returns to nobody.
        unsafe { libc::_exit(i32::from(fine.is_err())) };
    }
    let mut status = -1;
    // SAFETY: the child is this process's own, and the status a valid place.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0), "the child's assertions hold, see its message above");
    let stats = guard.shutdown(DEADLINE).expect("the parent writes as ever");
    assert_eq!((stats.written, memory.rows().len(), stats.refused.forked), (3, 3, 0));
}
