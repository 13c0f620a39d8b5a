//! The database of a scene, and the checks after its ledger is gone.

use std::sync::Arc;
use std::time::Duration;

use tracing_ledger::Stats;

use crate::load::{BOOKINGS, Call, Phase, p999, unknown_booking};
use crate::oracle::{CallPlaces, Oracle, OracleRow, SELECT};
use crate::scene::{DRAINED_WITHIN, FaultVerdict, Setup};
use crate::stalls::Stalls;
use crate::wait::until;
use crate::{memory, witness};
use support::Cluster;

/// The caller's worst thousandth call may take twice as long as when all is well, this long, or twice as long as the
/// machine kept a thread from running. Waiting for the database would take longer.
const CALLER_WAITS: Duration = Duration::from_millis(100);
/// The most memory of a record in the queue on average, and of the rest of the process.
const BYTES_PER_RECORD: u64 = 4 * 1024;
const BYTES_BESIDES: u64 = 96 * 1024 * 1024;

/// In place of the usual table one of two partitions, which both get rows. No id alone can be a key of it.
const PARTITIONED: &str = "ALTER TABLE observability_events RENAME TO usual;
     CREATE TABLE observability_events (LIKE usual INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
         PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
     DROP TABLE usual;
     CREATE TABLE events_before PARTITION OF observability_events
         FOR VALUES FROM (MINVALUE) TO (now() + interval '1 second');
     CREATE TABLE events_after PARTITION OF observability_events DEFAULT";

/// The parts of a scene that outlive its ledger: they are checked at the end.
pub(crate) struct Stage {
    pub(crate) cluster: Arc<Cluster>,
    /// The database, as its superuser and not through the proxy.
    pub(crate) admin: String,
    /// The account the ledger logs in as: it may insert, and nothing else.
    pub(crate) role: String,
    oracle: Oracle,
    callers_wait: Duration,
    stalls: Stalls,
    memory: u64,
    memory_cap: u64,
}

impl Stage {
    /// A fresh database, and an account for it.
    pub(crate) fn set(setup: &Setup, seed: u64) -> Self {
        let cluster = Arc::clone(&setup.cluster);
        let admin = cluster.database();
        if setup.partitioned {
            cluster.psql(&admin, PARTITIONED);
        }
        let role = create_role(&cluster, &admin);
        cluster.psql(&admin, &setup.booking_key.sql());
        memory::reset_peak();
        Self {
            cluster,
            admin,
            role,
            oracle: Oracle { seed },
            callers_wait: setup.callers_wait,
            stalls: Stalls::watch(),
            memory: memory::now(),
            memory_cap: BYTES_BESIDES + setup.queue_capacity as u64 * BYTES_PER_RECORD,
        }
    }

    /// The URL of the database through that port.
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

    /// Waits until the server has ended its work for the ledger.
    pub(crate) fn wait_for_sessions(&self) {
        let open = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{}'", self.role);
        until(DRAINED_WITHIN, "the sessions of the ledger end", || self.psql(&open) == "0");
    }

    /// Every row of the table.
    pub(crate) fn rows(&self) -> Vec<OracleRow> {
        self.psql(SELECT).lines().map(OracleRow::parse).collect()
    }

    /// Checks everything that can be checked once the ledger is gone.
    pub(crate) fn check(self, calls: &[Call], quarantine: &[OracleRow], stats: Stats) -> FaultVerdict {
        let memory = memory::peak().saturating_sub(self.memory);
        let table = self.rows();
        let lost = self.oracle.check(calls, &CallPlaces { table: &table, quarantine, stats });
        witness::assert_silence();
        assert!(memory <= self.memory_cap, "the process grew by {memory} bytes, over {}", self.memory_cap);
        let (calm, fault) = check_callers(calls, self.callers_wait, self.stalls.longest());
        self.psql(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role));
        FaultVerdict {
            records: calls.len() as u64,
            counted: stats.refused.total() + stats.dropped.total(),
            quarantined: stats.quarantined,
            lost,
            doubled: 0,
            drain: Duration::ZERO,
            on_disk: Duration::ZERO,
            calm,
            fault,
            memory,
        }
    }
}

/// The callers' worst thousandth call, in calm and during a fault.
fn check_callers(calls: &[Call], by_options: Duration, stall: Duration) -> (Duration, Duration) {
    let of = |phase| p999(calls, phase).unwrap_or_default();
    let (calm, fault) = (of(Phase::Calm), of(Phase::Fault));
    let bound = by_options + CALLER_WAITS.max(2 * calm).max(2 * stall);
    assert!(
        fault <= bound,
        "the callers waited: p99.9 {fault:?}, in calm {calm:?}, the machine stalled {stall:?}"
    );
    (calm, fault)
}

/// An account for this database alone that may insert and nothing else.
fn create_role(cluster: &Cluster, admin: &str) -> String {
    let database = admin.rsplit('/').next().expect("a URL has a last part");
    let role = format!("writer_{database}");
    cluster.psql(admin, &format!("CREATE ROLE {role} LOGIN; GRANT INSERT ON observability_events TO {role}"));
    role
}

/// What the table says to a booking that the database does not have.
#[derive(Clone, Copy)]
pub(crate) enum BookingKey {
    None,
    Check,
    Trigger,
    Reference,
}

impl BookingKey {
    fn sql(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Check => format!(
                "ALTER TABLE observability_events ADD CONSTRAINT known_booking
                     CHECK (booking_id < '{}')",
                unknown_booking(0)
            ),
            Self::Trigger => format!(
                "CREATE FUNCTION known_booking() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     IF NEW.booking_id >= '{}' THEN RAISE EXCEPTION 'no such booking'; END IF;
                     RETURN NEW;
                 END $$;
                 CREATE TRIGGER known_booking BEFORE INSERT ON observability_events
                     FOR EACH ROW EXECUTE FUNCTION known_booking()",
                unknown_booking(0)
            ),
            Self::Reference => format!(
                "CREATE TABLE bookings (id uuid PRIMARY KEY);
                 INSERT INTO bookings SELECT lpad(to_hex(n), 32, '0')::uuid FROM generate_series(0, {}) AS n;
                 ALTER TABLE observability_events ADD FOREIGN KEY (booking_id) REFERENCES bookings ON DELETE SET NULL",
                BOOKINGS - 1
            ),
        }
    }
}

/// Makes the bookings that calls up to this number may name, in a transaction that takes its time.
pub(crate) fn late(calls: u64) -> String {
    format!(
        "BEGIN;
         INSERT INTO bookings SELECT ('0bad' || lpad(to_hex(n), 28, '0'))::uuid FROM generate_series(0, {calls}) AS n
             ON CONFLICT DO NOTHING;
         SELECT pg_sleep(0.5);
         COMMIT"
    )
}
