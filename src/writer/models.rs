//! The hand-shake between the guard and the writer, in every order: see the models of the queue.

use std::sync::{Arc, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use loom::thread;
use tracing_subscriber::filter::LevelFilter;

use super::{Control, EndOfThread};
use crate::census::Census;
use crate::exit;
use crate::guard::Guard;
use crate::layer::OpenCalls;
use crate::queue::models::{explore, offer, queue, take_all, wait};
use crate::queue::{Overflow, Queue};
use crate::rules::Rules;
use crate::rules::plan::Plans;

type Written = Arc<std::sync::Mutex<Vec<u32>>>;

/// A writer that obeys orders, and counts the records that it takes as written.
fn write(queue: Arc<Queue>, control: Arc<Control>, written: &Written) {
    let _end = EndOfThread { queue: queue.clone(), control: control.clone() };
    let mut flushed = 0;
    loop {
        let orders = control.orders();
        if orders.flushes > flushed || orders.stop.is_some() {
            let taken = take_all(&queue);
            queue.account.write(taken.len());
            written.lock().unwrap_or_else(PoisonError::into_inner).extend(taken);
            flushed = orders.flushes;
            control.flushed(flushed);
        }
        if orders.stop.is_some() {
            return;
        }
        if control.orders() == orders {
            wait(&queue);
        }
    }
}

/// A ledger, and what it has written.
struct Ledger {
    queue: Arc<Queue>,
    control: Arc<Control>,
    written: Written,
    writer: thread::JoinHandle<()>,
}

impl Ledger {
    fn new() -> Self {
        let (control, written) = (Arc::<Control>::default(), Written::default());
        let queue = queue(10, Overflow::Refuse);
        let parts = (queue.clone(), control.clone(), written.clone());
        let writer = thread::spawn(move || write(parts.0, parts.1, &parts.2));
        Self { queue, control, written, writer }
    }

    fn guard(&self) -> Guard {
        let watched = exit::watch(&self.queue, OpenCalls::none());
        let plans = Plans::new(Rules::new(), LevelFilter::OFF);
        let census = Arc::new(Census::new(Arc::new(plans)));
        Guard::new(self.queue.clone(), self.control.clone(), another_thread(), watched, census)
    }

    /// The records that were written when the writer had ended.
    fn end(self) -> Vec<u32> {
        self.writer.join().expect("the writer does not panic");
        std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The id of another thread. To std all threads of a model are one, and the guard refuses to wait on the writer's own.
fn another_thread() -> ThreadId {
    static ANOTHER: std::sync::OnceLock<ThreadId> = std::sync::OnceLock::new();
    *ANOTHER.get_or_init(|| {
        std::thread::spawn(|| std::thread::current().id()).join().expect("the thread does not panic")
    })
}

/// Fails when `flush` does not wake the writer, or does so before it asks, when `flushed` tells nobody, and when the
/// writer takes the number of the flush after it has looked what there is.
#[test]
fn a_flush_returns_when_what_was_accepted_before_is_written() {
    explore("flush", || {
        let ledger = Ledger::new();
        let (queue, written) = (ledger.queue.clone(), ledger.written.clone());
        let guard = Arc::new(ledger.guard());
        let other = guard.clone();
        let flush = thread::spawn(move || {
            assert!(offer(&queue, 0));
            other.flush(Duration::MAX).expect("nobody ends the writer");
            assert!(written.lock().unwrap_or_else(PoisonError::into_inner).contains(&0));
        });
        guard.flush(Duration::MAX).expect("nobody ends the writer");
        flush.join().expect("no thread panics");
        let guard = Arc::into_inner(guard).expect("the other one is gone");
        guard.shutdown(Duration::MAX).expect("all is written");
        assert_eq!(ledger.end(), [0]);
    });
}

/// Fails when the writer looks what there is before it looks for orders, when `shutdown` asks before it closes the
/// queue or does not wake, or when `finished` tells nobody.
#[test]
fn a_stop_reaches_a_writer_at_work_and_at_rest_and_nobody_waits_in_vain() {
    explore("stop", || {
        let ledger = Ledger::new();
        let (queue, guard) = (ledger.queue.clone(), ledger.guard());
        let flush = thread::spawn(move || {
            let is_accepted = offer(&queue, 0);
            let flushed = guard.flush(Duration::MAX);
            assert!(flushed.is_ok() || flushed.is_err_and(|error| error.is_closed()));
            is_accepted
        });
        let stats = ledger.guard().shutdown(Duration::MAX).expect("all that was accepted is written");
        let is_accepted = flush.join().expect("no thread panics");
        assert_eq!((stats.accepted, stats.written), (is_accepted.into(), is_accepted.into()));
        assert_eq!(ledger.end().len(), usize::from(is_accepted));
    });
}
