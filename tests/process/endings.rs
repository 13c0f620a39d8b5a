//! A process that ends with rows or calls left says so while it still can, and only then.

use std::env;
use std::future::pending;
use std::mem;
use std::os::unix::process::ExitStatusExt as _;
use std::panic;
use std::path::PathBuf;
use std::process::{self, Output};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use support::{DEADLINE, this_test};
use tracing::info_span;
use tracing::instrument::{Instrument as _, WithSubscriber as _};
use tracing_ledger::store::{Attempt, InsertError, Memory, Store};
use tracing_ledger::{Builder, Guard, Row, builder};
use tracing_subscriber::prelude::*;

/// Set in a process that is to end: how.
const ENDING: &str = "LEDGER_TEST_ENDING";
/// The line of a process that exits without a shutdown.
const NO_SHUTDOWN: &str = "the process exits without a shutdown of the ledger and loses rows";
/// The line of a process whose shutdown did not write all rows.
const LATE: &str = "the process exits and loses the rows that the shutdown did not write before its timeout";
/// The line of a shutdown with calls under way.
const UNDER_WAY: &str = "calls are still under way at the shutdown of the ledger";

static GUARD: OnceLock<Guard> = OnceLock::new();

/// Never answers.
struct Hanging;

impl Store for Hanging {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        pending().await
    }
}

/// Ends the process on the writer's own thread.
struct Exiting;

impl Store for Exiting {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        process::exit(0)
    }
}

/// A ledger for the whole process.
fn ledger(store: impl Store) -> Guard {
    open(builder(), store)
}

fn open(builder: Builder, store: impl Store) -> Guard {
    let (ledger, guard) = builder.build_with(store).expect("a ledger");
    tracing_subscriber::registry().with(ledger).init();
    guard
}

fn emit(rows: usize) {
    for _ in 0..rows {
        call().in_scope(|| ());
    }
}

fn call() -> tracing::Span {
    info_span!("auto_assign.quote", success = true)
}

/// Runs that test again in a process of its own, which ends as the test says, and returns what it left.
fn end(name: &str, ending: impl FnOnce()) -> Option<Output> {
    if env::var(ENDING).is_ok_and(|wanted| wanted == name) {
        ending();
        return None;
    }
    Some(this_test(&format!("endings::{name}")).env(ENDING, name).output().expect("it starts"))
}

/// The lines of the ledger on stderr, without those of the start.
fn notices(output: &Output) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines = stderr.lines().filter(|line| !line.starts_with("tracing-ledger: on: "));
    lines.filter(|line| line.starts_with("tracing-ledger: ")).map(str::to_owned).collect()
}

#[track_caller]
fn assert_says(output: &Output, wanted: &[&[&str]]) {
    let notices = notices(output);
    assert_eq!(notices.len(), wanted.len(), "{notices:#?}");
    for (notice, words) in notices.iter().zip(wanted) {
        words.iter().for_each(|word| assert!(notice.contains(word), "{word}: {notice}"));
    }
}

macro_rules! endings {
    ($($(#[$doc:meta])* $name:ident: $ending:expr, $code:expr, $wanted:expr;)*) => { $(
        $(#[$doc])*
        #[test]
        fn $name() {
            let Some(output) = end(stringify!($name), $ending) else { return };
            assert_eq!(output.status.code(), $code, "{output:?}");
            assert_says(&output, $wanted);
        }
    )* };
}

endings! {
    process_exit_with_rows_in_memory: || {
        let _guard = ledger(Hanging);
        emit(3);
        process::exit(7);
    }, Some(7), &[&[NO_SHUTDOWN, "rows in memory: 3, calls under way: 0", "call Guard::shutdown"]];

    process_exit_within_a_call: || {
        let _guard = ledger(Memory::default());
        call().in_scope(|| process::exit(0));
    }, Some(0), &[&[NO_SHUTDOWN, "rows in memory: 0, calls under way: 1"]];

    process_exit_on_another_thread: || {
        let _guard = ledger(Hanging);
        thread::spawn(|| {
            emit(2);
            process::exit(0);
        });
        loop {
            thread::park();
        }
    }, Some(0), &[&[NO_SHUTDOWN, "rows in memory: 2,"]];

    process_exit_on_the_writers_thread: || {
        let _guard = ledger(Exiting);
        emit(1);
        loop {
            thread::park();
        }
    }, Some(0), &[&[NO_SHUTDOWN, "rows in memory: 1,"]];

    process_exit_in_a_panic_hook: || {
        let _guard = ledger(Hanging);
        panic::set_hook(Box::new(|_| process::exit(9)));
        emit(1);
        panic!("as the test wants");
    }, Some(9), &[&[NO_SHUTDOWN, "rows in memory: 1,"]];

    process_exit_when_every_row_is_written: || {
        let guard = ledger(Memory::default());
        emit(10);
        guard.flush(DEADLINE).expect("memory is there");
        process::exit(0);
    }, Some(0), &[];

    a_guard_in_a_static: || {
        GUARD.set(ledger(Hanging)).expect("the only one");
        emit(4);
    }, Some(0), &[&[NO_SHUTDOWN, "rows in memory: 4,"]];

    a_guard_that_is_leaked: || {
        mem::forget(ledger(Hanging));
        emit(5);
    }, Some(0), &[&[NO_SHUTDOWN, "rows in memory: 5,"]];

    a_guard_on_a_detached_thread: || {
        let guard = ledger(Hanging);
        thread::spawn(move || {
            let _guard = guard;
            loop {
                thread::park();
            }
        });
        emit(6);
    }, Some(0), &[&[NO_SHUTDOWN, "rows in memory: 6,"]];

    a_guard_in_a_static_that_is_idle: || {
        GUARD.set(ledger(Memory::default())).expect("the only one");
        emit(4);
        GUARD.get().expect("it is set").flush(DEADLINE).expect("memory is there");
    }, Some(0), &[];

    a_shutdown_whose_error_is_ignored: || {
        let guard = ledger(Hanging);
        emit(2);
        guard.shutdown(Duration::ZERO).expect_err("no time");
    }, Some(0), &[&[LATE, "rows in memory: 2", "spool_dir"]];

    a_drop_that_is_too_late_is_reported_once: || {
        let guard = ledger(Hanging);
        emit(2);
        drop(guard);
    }, Some(0), &[&["the guard was dropped before all rows were written"]];

    a_panic_that_unwinds_main: || {
        let _guard = ledger(Memory::default());
        emit(3);
        panic!("as the test wants");
    }, Some(101), &[];

    two_ledgers_report_each_for_itself: || {
        let _first = ledger(Hanging);
        let (layer, _second) = builder().build_with(Hanging).expect("a second");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || emit(2));
        emit(1);
        process::exit(0);
    }, Some(0), &[&["rows in memory: 1,"], &["rows in memory: 2,"]];

    /// As `#[tokio::main]` does: the guard goes first, and the tasks after it.
    a_runtime_that_ends_with_calls_under_way: || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let _guard = ledger(Memory::default());
            tokio::spawn(pending::<()>().instrument(call()));
        });
    }, Some(0), &[&[UNDER_WAY, "calls: 1", "shut it down after the server and the jobs"]];

    /// The runtime is dropped first, and with it the task.
    a_guard_that_is_older_than_the_runtime: || {
        let memory = Memory::default();
        {
            let _guard = ledger(memory.clone());
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.spawn(pending::<()>().instrument(call()));
        }
        assert_eq!(memory.rows().len(), 1);
    }, Some(0), &[];

    a_guard_in_a_thread_local: || {
        thread_local! {
            static LOCAL: std::cell::RefCell<Option<Guard>> = const { std::cell::RefCell::new(None) };
        }
        let memory = Memory::default();
        let guard = ledger(memory.clone());
        let thread = thread::spawn(|| {
            LOCAL.set(Some(guard));
            emit(3);
        });
        thread.join().expect("it ends in peace");
        assert_eq!(memory.rows().len(), 3);
    }, Some(0), &[];

    a_main_that_returns_an_error: || {
        fn main() -> Result<(), Box<dyn std::error::Error>> {
            let _guard = ledger(Memory::default());
            emit(3);
            "no number".parse::<u32>()?;
            Ok(())
        }
        main().expect_err("it is no number");
    }, Some(0), &[];

    a_guard_dropped_on_the_thread_of_the_runtime: || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let memory = Memory::default();
        runtime.block_on(async {
            let _guard = ledger(memory.clone());
            emit(10);
        });
        assert_eq!(memory.rows().len(), 10);
    }, Some(0), &[];

    rows_on_disk_are_not_lost: || {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("ending-{}", process::id()));
        let guard = open(builder().spool_dir(&folder), Hanging);
        emit(3);
        while guard.stats().spooled < 3 {
            thread::yield_now();
        }
        std::fs::remove_dir_all(folder).ok();
        process::exit(0);
    }, Some(0), &[];
}

#[test]
fn a_forked_child_reports_only_a_ledger_of_its_own() {
    let Some(output) = end("a_forked_child_reports_only_a_ledger_of_its_own", fork_and_exit) else { return };
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_says(&output, &[&[NO_SHUTDOWN, "rows in memory: 5,"], &[NO_SHUTDOWN, "rows in memory: 3,"]]);
}

#[expect(unsafe_code, reason = "there is no safe fork")]
fn fork_and_exit() {
    let _guard = ledger(Hanging);
    emit(3);
    for with_ledger in [false, true] {
        // SAFETY: the child allocates, which glibc and musl allow after a fork.
        let child = unsafe { libc::fork() };
        if child == 0 {
            if with_ledger {
                let (layer, guard) = builder().build_with(Hanging).expect("one of its own");
                tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || emit(5));
                mem::forget(guard);
            }
            process::exit(0);
        }
        let mut status = -1;
        // SAFETY: the child is this process's own, and the status a valid place.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((waited, status), (child, 0), "the child exits");
    }
    process::exit(0);
}

/// No handler runs. What is on disk is sent by the next process: see tests/recovery.
#[test]
fn a_signal_without_a_handler_says_nothing() {
    let Some(output) = end("a_signal_without_a_handler_says_nothing", || {
        let _guard = ledger(Hanging);
        emit(1);
        kill_itself(libc::SIGTERM);
    }) else {
        return;
    };
    assert_eq!(output.status.signal(), Some(libc::SIGTERM));
    assert_says(&output, &[]);
}

#[expect(unsafe_code, reason = "std sends no signals")]
fn kill_itself(signal: i32) {
    // SAFETY: it takes no memory.
    unsafe { libc::raise(signal) };
}

#[test]
fn an_abort_says_nothing() {
    let Some(output) = end("an_abort_says_nothing", || {
        let _guard = ledger(Hanging);
        emit(1);
        process::abort();
    }) else {
        return;
    };
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    assert_says(&output, &[]);
}

#[test]
fn calls_under_way_at_the_shutdown_are_counted_once() {
    let memory = Memory::default();
    let (layer, guard) = builder().build_with(memory.clone()).expect("a ledger");
    let handle = guard.handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let job = info_span!("auto_assign.job", trigger = "creation");
        let quote = job.in_scope(call);
        let carries = info_span!("handler", booking_id = "no call");
        emit(2);
        guard.shutdown(DEADLINE).expect("memory is there");
        drop((quote, job, carries));
    });
    let stats = handle.stats();
    assert_eq!((stats.written, stats.refused.shutdown, stats.offered), (2, 2, 4));
    let losses: Vec<_> = memory.rows().into_iter().filter(|row| &*row.event_type == "ledger.loss").collect();
    assert_eq!(losses.len(), 1);
    assert!(
        losses[0].context.contains(r#""cause":"shutdown""#) && losses[0].context.contains(r#""count":2"#)
    );
}

/// `tracing-subscriber` reports the close of a parent to the default of the thread, so such a job never closes.
#[test]
fn a_job_that_ends_under_another_dispatcher_is_counted_as_lost() {
    support::alone(
        "endings::a_job_that_ends_under_another_dispatcher_is_counted_as_lost",
        time_out_elsewhere,
    );
}

fn time_out_elsewhere() {
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::default()).expect("the first");
    let (layer, guard) = builder().build_with(Memory::default()).expect("a ledger");
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let job = async {
            let quote = async { pending::<()>().instrument(call()).await };
            quote.instrument(info_span!("auto_assign.job")).await;
        };
        let job = tokio::time::timeout(Duration::from_millis(20), job.with_subscriber(dispatch.clone()));
        job.await.expect_err("it never ends");
    });
    let stats = guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!(stats.offered, 2, "the job and its call: {stats}");
    assert!(stats.refused.shutdown > 0, "the job never closes: {stats}");
}
