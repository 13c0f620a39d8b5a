//! One try of one fault: a database, a proxy in front of it, a ledger, and callers that go on calling.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tracing::Dispatch;
use tracing_ledger::store::Memory;
use tracing_ledger::{Builder, Error, Guard, Stats};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;

use crate::load::{Load, Pace, Phase};
use crate::oracle::OracleRow;
use crate::proxy::Proxy;
use crate::rng::Rng;
use crate::stage::{BookingKey, Stage};
use crate::stalls::Stalls;
use crate::wait::{pause, until};
use support::Cluster;

/// Everything is in the table so soon after the fault is over, also on a busy machine. An idle one takes 30 s at most.
pub(crate) const DRAINED_WITHIN: Duration = Duration::from_mins(10);
/// How long normal life is watched.
const CALM: Duration = Duration::from_millis(500);
/// How often the usual callers call: for batches of about 1000 and of 400.
const PACES: [Duration; 2] = [Duration::from_micros(400), Duration::from_millis(1)];
/// The calls of this time are more than ever wait in calm.
const BACKLOG: Duration = Duration::from_millis(800);
/// The promise is 20 ms; on a loaded machine the writer may have to wait for its turn.
const ON_DISK_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// How long a healthy ledger may take to shut down, and how much later it may say so, if the machine leaves it a processor.
const SHUTDOWN: Duration = DRAINED_WITHIN;
const SHUTDOWN_SLACK: Duration = Duration::from_millis(250);

/// One try: which one, and with what luck.
pub(crate) struct Round {
    pub(crate) rng: Rng,
    /// Grows in the long form, from 1.
    pub(crate) scale: u32,
    /// Whether every offset is to be tried, where a short form takes samples.
    pub(crate) thorough: bool,
    /// Whether the ledger has a spool, where the fault leaves it open.
    pub(crate) spooled: bool,
}

/// The options of a scene.
pub(crate) struct Setup {
    pub(crate) cluster: Arc<Cluster>,
    /// The port of a server that the URL names before the proxy.
    pub(crate) other_server: Option<u16>,
    pub(crate) ledger: fn(Builder) -> Builder,
    pub(crate) queue_capacity: usize,
    /// Without one, callers call so often that batches are large or small, as chance will have it.
    pub(crate) pace: Option<Pace>,
    /// What the table says to a booking that the database does not have.
    pub(crate) booking_key: BookingKey,
    /// Whether the table is partitioned by time, so that no id alone is a key.
    pub(crate) partitioned: bool,
    pub(crate) spool: SpoolChoice,
    /// How long a caller may wait on top, by the ledger's options.
    pub(crate) callers_wait: Duration,
}

/// Whether records go by way of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SpoolChoice {
    /// As the round has it.
    Either,
    No,
    /// In this folder, which is the fault's own.
    In(PathBuf),
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            cluster: shared(),
            other_server: None,
            ledger: |builder| builder,
            queue_capacity: 50_000,
            pace: None,
            booking_key: BookingKey::None,
            partitioned: false,
            spool: SpoolChoice::Either,
            callers_wait: Duration::ZERO,
        }
    }
}

/// The server for faults that leave it alone.
fn shared() -> Arc<Cluster> {
    static SHARED: LazyLock<Arc<Cluster>> = LazyLock::new(|| Arc::new(Cluster::start()));
    Arc::clone(&SHARED)
}

/// The server for faults that kill it: one for all, as they come one after the other.
pub(crate) fn victim() -> Arc<Cluster> {
    static VICTIM: LazyLock<Arc<Cluster>> = LazyLock::new(|| Arc::new(Cluster::start()));
    Arc::clone(&VICTIM)
}

/// A scene with everything in place and the callers calling.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    pub(crate) rng: Rng,
    pub(crate) scale: u32,
    pub(crate) load: Load,
    pace: Pace,
    pub(crate) guard: Guard,
    pub(crate) dispatch: Dispatch,
    pub(crate) stage: Stage,
    /// The spool, where it is the scene's own.
    disk: Option<TempDir>,
    /// How long records took to get there, whenever somebody looked.
    on_disk: Vec<Duration>,
    healed: Option<Instant>,
}

/// The figures of a scene in which every promise was kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FaultVerdict {
    pub(crate) records: u64,
    /// Refused or pushed out, and counted as such.
    pub(crate) counted: u64,
    pub(crate) quarantined: u64,
    /// In no place; more than none is a failure.
    pub(crate) lost: u64,
    /// In two places; the same.
    pub(crate) doubled: u64,
    /// From the end of the fault until all is written.
    pub(crate) drain: Duration,
    /// From the moment a record is queued until it is on disk, in all but one of a hundred cases; nothing without a
    /// spool.
    pub(crate) on_disk: Duration,
    /// The callers' worst thousandth call before the fault, and in it.
    pub(crate) calm: Duration,
    pub(crate) fault: Duration,
    pub(crate) memory: u64,
}

impl Scene {
    pub(crate) fn open(mut round: Round, setup: Setup) -> Self {
        let seed = round.rng.next();
        let stage = Stage::set(&setup, seed);
        let proxy = Proxy::to(stage.cluster.port());
        let mut url = stage.url(proxy.port());
        if let Some(port) = setup.other_server {
            url = url.replacen('@', &format!("@127.0.0.1:{port},"), 1);
        }
        let mut builder = (setup.ledger)(tracing_ledger::builder().queue_capacity(setup.queue_capacity));
        let disk = (setup.spool == SpoolChoice::Either && round.spooled).then(spool_dir);
        if let SpoolChoice::In(dir) = &setup.spool {
            builder = builder.spool_dir(dir);
        } else if let Some(dir) = &disk {
            builder = builder.spool_dir(dir.path());
        }
        let (dispatch, guard) = ledger(builder, &url);
        let usual = Pace { threads: 2, every: *round.rng.pick(&PACES) };
        let pace = setup.pace.unwrap_or(usual);
        let load = Load::start(&dispatch, seed, pace);
        let Round { rng, scale, .. } = round;
        Self {
            proxy,
            rng,
            scale,
            load,
            pace,
            guard,
            dispatch,
            stage,
            disk,
            on_disk: Vec::new(),
            healed: None,
        }
    }

    /// A stretch of normal life, to compare with.
    pub(crate) fn calm(&mut self) {
        until(DRAINED_WITHIN, "rows are written", || self.guard.stats().written > 0);
        self.load.phase(Phase::Calm);
        pause(CALM);
        self.load.phase(Phase::Fault);
    }

    /// Lets the fault last for a time between these, in milliseconds.
    pub(crate) fn suffer(&mut self, ms: Range<u64>) {
        let time = self.rng.ms(ms);
        if self.disk.is_some() { self.watch_disk(time) } else { pause(time) }
    }

    /// Looks for that long how soon whatever has been queued is on disk, or further.
    fn watch_disk(&mut self, time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            let (looked, mark) = (Instant::now(), self.guard.stats().accepted);
            while began.elapsed() < time && self.not_in_memory() < mark {
                pause(LOOK_AGAIN);
            }
            self.on_disk.push(looked.elapsed());
            pause(LOOK_AGAIN);
        }
    }

    /// Waits until everything that is queued by now has left the queue, and knows its time.
    pub(crate) fn wait_until_taken(&self) {
        let mark = self.guard.stats().accepted;
        until(DRAINED_WITHIN, "what is queued leaves the queue", || self.not_in_memory() >= mark);
    }

    fn not_in_memory(&self) -> u64 {
        let stats = self.guard.stats();
        stats.accepted - stats.in_flight
    }

    /// The fault is over, from now on.
    pub(crate) fn healed(&mut self) {
        self.healed = Some(Instant::now());
        self.load.phase(Phase::Healed);
    }

    /// Makes so many calls at once.
    pub(crate) fn burst(&mut self, calls: usize) {
        for _ in 0..calls {
            self.load.call(&self.dispatch);
        }
    }

    /// Runs statements as the superuser, not through the proxy; what they print.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.stage.psql(sql)
    }

    /// Ends the connection of the ledger at the server, as an administrator does.
    pub(crate) fn kick(&self) {
        self.psql(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{}'",
            self.stage.role
        ));
    }

    /// Waits until nothing goes through any more: more records wait than ever do in calm.
    pub(crate) fn backlog(&self) {
        let calls = self.pace.threads as u128 * (BACKLOG.as_nanos() / self.pace.every.as_nanos());
        let waiting = || {
            let stats = self.guard.stats();
            u128::from(stats.in_flight + stats.spooled) >= calls
        };
        until(DRAINED_WITHIN, "records pile up behind the fault", waiting);
    }

    /// Ends the load, waits for the rest, shuts down, and checks everything that was promised.
    pub(crate) fn verdict(self) -> FaultVerdict {
        let healed = self.healed.unwrap_or_else(Instant::now);
        let calls = self.load.stop();
        let left = DRAINED_WITHIN.saturating_sub(healed.elapsed());
        wait_until_drained(&self.guard, left);
        let drain = healed.elapsed();
        let on_disk = percentile_99(self.on_disk);
        assert!(on_disk <= ON_DISK_WITHIN, "records were in memory alone for {on_disk:?}");
        let quarantine: Vec<OracleRow> =
            self.guard.quarantined().iter().map(|kept| OracleRow::from(&kept.row)).collect();
        let stats = shut_down(self.guard, SHUTDOWN).expect("everything is written");
        if let Some(disk) = &self.disk {
            assert_acknowledged(disk.path());
            assert_eq!(
                rows_in_quarantine(disk.path()),
                stats.quarantined,
                "quarantined rows are in the file"
            );
        }
        let verdict = self.stage.check(&calls, &quarantine, stats);
        assert_eq!(verdict.lost, 0, "calls are nowhere: {stats}");
        let rejected = calls.iter().filter(|call| call.rejected).count() as u64;
        assert!(
            stats.quarantined <= rejected,
            "more rows than the {rejected} rejected ones are quarantined: {stats}"
        );
        FaultVerdict { drain, on_disk, ..verdict }
    }

    /// Ends the load, and then the ledger in the middle of the fault; checks what must be true all the same
    /// once it is over: rows that are not written were reported.
    pub(crate) fn verdict_of_exit(
        self,
        deadline: Duration,
        heal: impl FnOnce(&Stage, &Proxy),
    ) -> FaultVerdict {
        let calls = self.load.stop();
        let stats = self.guard.stats();
        let error = shut_down(self.guard, deadline).expect_err("there was a fault");
        assert!(error.is_timeout(), "{error}");
        let stats = said(&error.to_string(), stats);
        heal(&self.stage, &self.proxy);
        self.stage.wait_for_sessions();
        let verdict = self.stage.check(&calls, &[], stats);
        assert!(verdict.lost <= stats.in_flight, "{} calls are nowhere: {stats}", verdict.lost);
        FaultVerdict { counted: stats.in_flight, lost: 0, ..verdict }
    }
}

/// A ledger, and what records into it.
pub(crate) fn ledger(builder: Builder, url: &str) -> (Dispatch, Guard) {
    let (layer, guard) = builder.build::<Registry>(url).expect("a ledger");
    (tracing_subscriber::registry().with(layer).into(), guard)
}

fn percentile_99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let place = (times.len() * 99).div_ceil(100);
    place.checked_sub(1).map_or(Duration::ZERO, |place| times[place])
}

/// A folder for a spool.
pub(crate) fn spool_dir() -> TempDir {
    tempfile::Builder::new().prefix("ledger-spool-").tempdir().expect("a temporary folder")
}

/// Waits until nothing is in memory or on disk.
pub(crate) fn wait_until_drained(guard: &Guard, limit: Duration) {
    until(limit, "all is written after the fault", || {
        let stats = guard.stats();
        stats.in_flight == 0 && stats.spooled == 0
    });
}

/// Panics when a ledger on this spool would send anything once more.
fn assert_acknowledged(spool: &Path) {
    let builder = tracing_ledger::builder().spool_dir(spool);
    let (_, guard) = builder.build_with::<Registry>(Memory::default()).expect("a ledger");
    let stats = guard.stats();
    assert_eq!(stats.offered, 0, "all was written, and is sent once more: {stats}");
}

/// Rows in the file for people.
fn rows_in_quarantine(spool: &Path) -> u64 {
    let lines = fs::read_to_string(spool.join("quarantine.jsonl")).unwrap_or_default();
    lines.lines().count() as u64
}

/// Shuts down, and sees that it is done by the deadline.
pub(crate) fn shut_down(guard: Guard, deadline: Duration) -> Result<Stats, Error> {
    let stalls = Stalls::watch();
    let began = Instant::now();
    let result = guard.shutdown(deadline);
    let took = began.elapsed();
    let stalled = 2 * stalls.longest();
    assert!(took <= deadline + SHUTDOWN_SLACK + stalled, "the shutdown took {took:?} of {deadline:?}");
    result
}

/// The account after a shutdown that came too late, which its message gives: `… of 9 rows accepted 4 are
/// written, 0 are quarantined and 5 are not written; …`
fn said(message: &str, before: Stats) -> Stats {
    let words: Vec<_> = message.split_whitespace().collect();
    let number_before = |phrase: &[&str]| {
        let place = words.windows(phrase.len()).position(|words| words == phrase);
        let number = place.and_then(|place| words[place.checked_sub(1)?].parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("no number before {phrase:?} in {message:?}"))
    };
    let mut stats = before;
    stats.accepted = number_before(&["rows", "accepted"]);
    stats.written = number_before(&["are", "written,"]);
    stats.quarantined = number_before(&["are", "quarantined"]);
    stats.in_flight = number_before(&["are", "not", "written;"]);
    stats
}
