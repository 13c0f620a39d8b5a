//! The callers: threads that make numbered planner calls and measure what each costs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tracing::{Dispatch, info_span};
use uuid::Uuid;

use crate::clock;
use crate::rng::Rng;
use crate::wait::pause;

/// The first bits of the ids of bookings that the database does not have.
const UNKNOWN_BOOKING: u128 = 0xbad << 112;
const TEXTS: [&str; 8] = ["table", " ", "\"quoted\"", "\\", "\n\t", "tàblé", "🪑", "{\"json\":[1]}"];

/// How many callers, and how often each calls.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) threads: usize,
    pub(crate) every: Duration,
}

/// When a call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first calls, which are nobody's measure.
    Start,
    Calm,
    Fault,
    Healed,
}

/// One call, as its caller saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) n: u64,
    /// When it began and when it had returned, however wrong the clock was.
    pub(crate) between: (SystemTime, SystemTime),
    /// The time that the span cost its caller.
    pub(crate) took: Duration,
    pub(crate) phase: Phase,
    /// Its booking is one that the database does not know.
    pub(crate) rejected: bool,
}

/// The fields of the call number `n`, always the same.
#[derive(Debug, PartialEq)]
pub(crate) struct CallFields {
    pub(crate) text: String,
    pub(crate) booking: Option<Uuid>,
}

impl CallFields {
    pub(crate) fn of(seed: u64, n: u64, rejected: bool) -> Self {
        let mut rng = Rng::new(seed ^ n.rotate_left(17));
        let words = rng.within(0..40);
        let text = (0..words).map(|_| *rng.pick(&TEXTS)).collect();
        let known = rng.percent(50).then(|| Uuid::from_u128(u128::from(n % BOOKINGS)));
        let booking = if rejected { Some(unknown_booking(n)) } else { known };
        Self { text, booking }
    }
}

/// The booking that the database does not have, of the call number `n`.
pub(crate) fn unknown_booking(n: u64) -> Uuid {
    Uuid::from_u128(UNKNOWN_BOOKING | u128::from(n))
}

/// The bookings that a database with foreign keys has: the uuids of these numbers.
pub(crate) const BOOKINGS: u64 = 1000;

/// Makes one call with the number `n`; what it cost.
pub(crate) fn call(seed: u64, n: u64, rejected: bool) -> Duration {
    let CallFields { text, booking } = CallFields::of(seed, n, rejected);
    let booking = booking.map(|id| id.to_string());
    let began = Instant::now();
    info_span!("auto_assign.quote", n, text, booking_id = booking, success = true).in_scope(|| ());
    began.elapsed()
}

/// The same, with all that is known of it.
pub(crate) fn timed_call(seed: u64, n: u64, phase: Phase, rejected: bool) -> Call {
    let began = clock::right();
    let took = call(seed, n, rejected);
    Call { n, between: (began, clock::right()), took, phase, rejected }
}

/// The running callers.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<Call>>>,
    /// Those made by hand.
    calls: Vec<Call>,
}

struct Shared {
    seed: u64,
    next: AtomicU64,
    phase: AtomicU8,
    /// How many in a thousand calls are rejected.
    rejected: AtomicU64,
    /// Nanoseconds from one call of a caller to its next.
    every: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    pub(crate) fn start(dispatch: &Dispatch, seed: u64, pace: Pace) -> Self {
        Self::start_at(0, dispatch, seed, pace)
    }

    /// Callers whose first call has that number.
    pub(crate) fn start_at(first: u64, dispatch: &Dispatch, seed: u64, pace: Pace) -> Self {
        let shared = Arc::new(Shared {
            seed,
            next: AtomicU64::new(first),
            phase: AtomicU8::new(Phase::Start as u8),
            rejected: AtomicU64::new(0),
            every: AtomicU64::new(nanos(pace.every)),
            stop: AtomicBool::new(false),
        });
        let threads = (0..pace.threads).map(|_| {
            let (shared, dispatch) = (Arc::clone(&shared), dispatch.clone());
            thread::spawn(move || tracing::dispatcher::with_default(&dispatch, || shared.run()))
        });
        let threads = threads.collect();
        Self { shared, threads, calls: Vec::new() }
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.shared.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// From now on so many in a thousand calls are rejected.
    pub(crate) fn reject(&self, per_mille: u64) {
        self.shared.rejected.store(per_mille, Ordering::Relaxed);
    }

    /// From now on every caller calls this often.
    pub(crate) fn every(&self, time: Duration) {
        self.shared.every.store(nanos(time), Ordering::Relaxed);
    }

    /// Makes one call from this thread.
    pub(crate) fn call(&mut self, dispatch: &Dispatch) {
        let call = tracing::dispatcher::with_default(dispatch, || self.shared.call());
        self.calls.push(call);
    }

    /// The number of calls begun.
    pub(crate) fn begun(&self) -> u64 {
        self.shared.next.load(Ordering::Relaxed)
    }

    /// Ends the callers; every call they made.
    pub(crate) fn stop(mut self) -> Vec<Call> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut self.threads);
        let mut calls = std::mem::take(&mut self.calls);
        calls.extend(threads.into_iter().flat_map(|thread| thread.join().expect("no caller panicked")));
        calls
    }
}

/// The callers of a scene that failed do not go on into the next one.
impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn run(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut due = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            calls.push(self.call());
            due += Duration::from_nanos(self.every.load(Ordering::Relaxed));
            // A caller that fell behind catches up without a pause, as requests that queued up do.
            let early = due.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                pause(early);
            }
        }
        calls
    }

    fn call(&self) -> Call {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let rejected = Rng::new(self.seed ^ !n).within(0..1000) < self.rejected.load(Ordering::Relaxed);
        let phase = match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Start,
            1 => Phase::Calm,
            2 => Phase::Fault,
            _ => Phase::Healed,
        };
        timed_call(self.seed, n, phase, rejected)
    }
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().expect("a pace is no matter of centuries")
}

/// The 99.9th percentile of what the calls of a phase cost their callers.
pub(crate) fn p999(calls: &[Call], phase: Phase) -> Option<Duration> {
    let mut took: Vec<_> = calls.iter().filter(|call| call.phase == phase).map(|call| call.took).collect();
    took.sort_unstable();
    took.get((took.len() * 999).div_ceil(1000).checked_sub(1)?).copied()
}
