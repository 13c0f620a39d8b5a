//! One try of one fault: a database, a proxy in front of it, a ledger, and callers that go on calling.

use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tracing::Dispatch;
use tracing_ledger::{Builder, Error, Guard, Stats};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;

use crate::load::{BOOKINGS, Call, Load, Pace, Phase, p999};
use crate::oracle::{Oracle, Places, Row, SELECT};
use crate::proxy::Proxy;
use crate::rng::Rng;
use crate::support::Cluster;
use crate::wait::{pause, until};
use crate::{memory, witness};

/// Everything is in the table so soon after the trouble is over.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);
/// How long normal life is watched.
const CALM: Duration = Duration::from_millis(500);
/// How often the usual callers call: for batches of about 1000 and of 400.
const PACES: [Duration; 2] = [Duration::from_micros(400), Duration::from_millis(1)];
/// What piles up in this time is more than ever waits in calm.
const BACKLOG: Duration = Duration::from_millis(800);
/// How long a healthy ledger may take to shut down, and how much later it may say so.
const SHUTDOWN: Duration = Duration::from_secs(5);
const SHUTDOWN_SLACK: Duration = Duration::from_millis(500);
/// The caller's worst thousandth call may take twice as long as when all is well, or this long on a machine
/// whose other work gets in between. Waiting for the database would take longer.
const CALLER_WAITS: Duration = Duration::from_millis(100);
/// What a record in the queue takes at most on average, and what the process takes besides.
const BYTES_PER_RECORD: u64 = 4 * 1024;
const BYTES_BESIDES: u64 = 96 * 1024 * 1024;

/// One try: which one, and with what luck.
pub(crate) struct Round {
    pub(crate) rng: Rng,
    /// Grows in the long form, from 1.
    pub(crate) scale: u32,
    /// Whether every offset is to be tried, where a short form takes samples.
    pub(crate) thorough: bool,
}

/// How a scene differs from the usual one.
pub(crate) struct Setup {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) ledger: fn(Builder) -> Builder,
    pub(crate) queue_capacity: usize,
    /// Without one, callers call so often that batches are large or small, as chance will have it.
    pub(crate) pace: Option<Pace>,
    /// Whether bookings are foreign keys, so that a wrong one makes a poisoned row.
    pub(crate) foreign_keys: bool,
    pub(crate) steady_clock: bool,
    /// How long a caller may wait on top, by the ledger's options.
    pub(crate) callers_wait: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            cluster: shared(),
            ledger: |builder| builder,
            queue_capacity: 50_000,
            pace: None,
            foreign_keys: false,
            steady_clock: true,
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
    healed: Option<Instant>,
}

/// What outlives the ledger of a scene, to be looked at when it is over.
pub(crate) struct Stage {
    pub(crate) cluster: Arc<Cluster>,
    /// The database, as its superuser and not through the proxy.
    pub(crate) admin: String,
    /// The account the ledger logs in as: it may insert, and nothing else.
    pub(crate) role: String,
    oracle: Oracle,
    callers_wait: Duration,
    memory: u64,
    memory_cap: u64,
}

/// What a scene came to, when it came to what was promised.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) records: u64,
    /// Refused or pushed out, and counted as such.
    pub(crate) counted: u64,
    pub(crate) quarantined: u64,
    /// In no place; more than none is a failure.
    pub(crate) lost: u64,
    /// In two places; the same.
    pub(crate) doubled: u64,
    /// From the end of the trouble until all is written.
    pub(crate) drain: Duration,
    /// The callers' worst thousandth call before the trouble, and in it.
    pub(crate) calm: Duration,
    pub(crate) fault: Duration,
    pub(crate) memory: u64,
}

impl Scene {
    pub(crate) fn open(mut round: Round, setup: Setup) -> Self {
        let seed = round.rng.next();
        let stage = Stage::set(&setup, seed);
        let proxy = Proxy::to(stage.cluster.port());
        let url = stage.url(proxy.port());
        let builder = (setup.ledger)(tracing_ledger::builder().queue_capacity(setup.queue_capacity));
        let (layer, guard) = builder.build::<Registry>(&url).expect("a ledger");
        let dispatch: Dispatch = tracing_subscriber::registry().with(layer).into();
        let usual = Pace { threads: 2, every: *round.rng.pick(&PACES) };
        let pace = setup.pace.unwrap_or(usual);
        let load = Load::start(&dispatch, seed, pace);
        let Round { rng, scale, .. } = round;
        Self { proxy, rng, scale, load, pace, guard, dispatch, stage, healed: None }
    }

    /// A stretch of normal life, to compare with.
    pub(crate) fn calm(&mut self) {
        until(DRAINED_WITHIN, "rows are written", || self.guard.stats().written > 0);
        self.load.phase(Phase::Calm);
        pause(CALM);
        self.load.phase(Phase::Fault);
    }

    /// Lets the trouble last for a time between these, in milliseconds.
    pub(crate) fn suffer(&mut self, ms: Range<u64>) {
        pause(self.rng.ms(ms));
    }

    /// The trouble is over, from now on.
    pub(crate) fn healed(&mut self) {
        self.healed = Some(Instant::now());
        self.load.phase(Phase::Healed);
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
        let waiting = || u128::from(self.guard.stats().in_flight) >= calls;
        until(DRAINED_WITHIN, "records pile up behind the fault", waiting);
    }

    /// Ends the load, waits for the rest, shuts down, and checks everything that was promised.
    pub(crate) fn verdict(self) -> Verdict {
        let healed = self.healed.unwrap_or_else(Instant::now);
        let calls = self.load.stop();
        let left = DRAINED_WITHIN.saturating_sub(healed.elapsed());
        until(left, "all is written after the fault", || is_drained(&self.guard.stats()));
        let drain = healed.elapsed();
        let quarantine: Vec<Row> = self.guard.quarantined().iter().map(Row::from).collect();
        let stats = shut_down(self.guard, SHUTDOWN).expect("everything is written");
        let verdict = self.stage.check(&calls, &quarantine, stats);
        assert_eq!(verdict.lost, 0, "calls are nowhere: {stats}");
        let poison = calls.iter().filter(|call| call.poison).count() as u64;
        assert!(stats.quarantined <= poison, "of {poison} poisoned rows more are set aside: {stats}");
        Verdict { drain, ..verdict }
    }

    /// Ends the load, and then the ledger in the middle of the trouble; checks what must be true all the same
    /// once it is over: what is not written was said to be so.
    pub(crate) fn verdict_of_exit(self, deadline: Duration, heal: impl FnOnce(&Stage, &Proxy)) -> Verdict {
        let calls = self.load.stop();
        let stats = self.guard.stats();
        let error = shut_down(self.guard, deadline).expect_err("there was trouble");
        assert!(error.is_timeout(), "{error}");
        let stats = said(&error.to_string(), stats);
        heal(&self.stage, &self.proxy);
        self.stage.wait_for_sessions();
        let verdict = self.stage.check(&calls, &[], stats);
        assert!(verdict.lost <= stats.in_flight, "{} calls are nowhere: {stats}", verdict.lost);
        Verdict { counted: stats.in_flight, lost: 0, ..verdict }
    }
}

impl Stage {
    /// A fresh database, and an account for it.
    pub(crate) fn set(setup: &Setup, seed: u64) -> Self {
        let cluster = Arc::clone(&setup.cluster);
        let admin = cluster.database();
        let role = create_role(&cluster, &admin);
        if setup.foreign_keys {
            cluster.psql(&admin, &foreign_keys());
        }
        memory::reset_peak();
        Self {
            cluster,
            admin,
            role,
            oracle: Oracle { seed, steady_clock: setup.steady_clock },
            callers_wait: setup.callers_wait,
            memory: memory::now(),
            memory_cap: BYTES_BESIDES + setup.queue_capacity as u64 * BYTES_PER_RECORD,
        }
    }

    /// Where the ledger finds the database, through that port.
    pub(crate) fn url(&self, port: u16) -> String {
        let database = self.admin.rsplit('/').next().expect("a URL has a last part");
        format!("postgres://{}@127.0.0.1:{port}/{database}", self.role)
    }

    pub(crate) fn psql(&self, sql: &str) -> String {
        self.cluster.psql(&self.admin, sql)
    }

    /// The database has moved to that server.
    pub(crate) fn move_to(&mut self, cluster: Arc<Cluster>) {
        self.admin = cluster.url_of_the_same(&self.admin);
        self.cluster = cluster;
    }

    /// Waits until the server has ended whatever it was doing for the ledger.
    pub(crate) fn wait_for_sessions(&self) {
        let open = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{}'", self.role);
        until(DRAINED_WITHIN, "the sessions of the ledger end", || self.psql(&open) == "0");
    }

    /// Every row of the table.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.psql(SELECT).lines().map(Row::parse).collect()
    }

    /// Checks everything that can be checked once the ledger is gone.
    fn check(self, calls: &[Call], quarantine: &[Row], stats: Stats) -> Verdict {
        let memory = memory::peak().saturating_sub(self.memory);
        let table = self.rows();
        let lost = self.oracle.check(calls, &Places { table: &table, quarantine, stats });
        witness::assert_silence();
        assert!(memory <= self.memory_cap, "the process grew by {memory} bytes, over {}", self.memory_cap);
        let (calm, fault) = check_callers(calls, self.callers_wait);
        self.psql(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role));
        Verdict {
            records: calls.len() as u64,
            counted: stats.refused.total() + stats.dropped.total(),
            quarantined: stats.quarantined,
            lost,
            doubled: 0,
            drain: Duration::ZERO,
            calm,
            fault,
            memory,
        }
    }
}

fn is_drained(stats: &Stats) -> bool {
    stats.in_flight == 0 && stats.spooled == 0
}

/// Shuts down, and sees that it is done by the deadline.
fn shut_down(guard: Guard, deadline: Duration) -> Result<Stats, Error> {
    let began = Instant::now();
    let result = guard.shutdown(deadline);
    let took = began.elapsed();
    assert!(took <= deadline + SHUTDOWN_SLACK, "the shutdown took {took:?} of {deadline:?}");
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

/// The callers' worst thousandth call, in calm and in trouble.
fn check_callers(calls: &[Call], by_options: Duration) -> (Duration, Duration) {
    let of = |phase| p999(calls, phase).unwrap_or_default();
    let (calm, fault) = (of(Phase::Calm), of(Phase::Fault));
    let bound = by_options + CALLER_WAITS.max(2 * calm);
    assert!(fault <= bound, "the callers waited: p99.9 {fault:?}, in calm {calm:?}");
    (calm, fault)
}

/// An account for this database alone that may insert and nothing else.
fn create_role(cluster: &Cluster, admin: &str) -> String {
    let database = admin.rsplit('/').next().expect("a URL has a last part");
    let role = format!("writer_{database}");
    cluster.psql(admin, &format!("CREATE ROLE {role} LOGIN; GRANT INSERT ON observability_events TO {role}"));
    role
}

fn foreign_keys() -> String {
    format!(
        "CREATE TABLE bookings (id uuid PRIMARY KEY);
         INSERT INTO bookings SELECT lpad(to_hex(n), 32, '0')::uuid FROM generate_series(0, {}) AS n;
         ALTER TABLE observability_events ADD CONSTRAINT observability_events_booking_id_fkey
             FOREIGN KEY (booking_id) REFERENCES bookings (id) ON DELETE SET NULL",
        BOOKINGS - 1
    )
}
