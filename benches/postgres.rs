//! The throwaway PostgreSQL server of the tests, with Debian's default settings.

#[path = "../tests/support/cluster.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod cluster;
#[path = "../tests/support/install.rs"]
mod install;

use std::process::Command;
use std::time::Duration;

pub(crate) use self::cluster::Cluster;

/// The columns of the table in the order of its definition.
const COLUMNS: &str = "id, created_at, source, event_type, severity, context, restaurant_id, booking_id";

/// A server and a database on it with the table and its indexes.
pub(crate) struct Server {
    cluster: Cluster,
    url: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let cluster = Cluster::start();
        // The server of the tests uses 16 MB; this is the default.
        cluster.psql(&cluster.url(), "ALTER SYSTEM SET shared_buffers = '128MB'");
        cluster.stop();
        cluster.restart();
        let url = cluster.database();
        Self { cluster, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn psql(&self, sql: &str) -> String {
        self.cluster.psql(&self.url, sql)
    }

    /// Empties the table and flushes everything to disk, so that no round pays for the one before.
    pub(crate) fn reset(&self) {
        self.psql("TRUNCATE observability_events; CHECKPOINT");
    }

    pub(crate) fn rows(&self) -> u64 {
        self.psql("SELECT count(*) FROM observability_events").parse().expect("a count")
    }

    /// CPU time so far of the server process for the ledger's connection.
    pub(crate) fn ledger_cpu(&self) -> Duration {
        nanoseconds(&self.psql(
            "SELECT pg_read_file('/proc/' || pid || '/schedstat') FROM pg_stat_activity \
             WHERE application_name = 'tracing-ledger'",
        ))
    }

    /// Saves the rows of the table in the file `name`, in the binary format.
    pub(crate) fn copy_out(&self, name: &str) {
        self.copy("TO", name);
    }

    /// Loads the file `name` with `psql \copy`. Returns the CPU time of the server process.
    pub(crate) fn copy_in(&self, name: &str) -> Duration {
        self.copy("FROM", name)
    }

    fn copy(&self, direction: &str, name: &str) -> Duration {
        let file = self.cluster.dir().join(name);
        let copy = format!(
            "\\copy observability_events ({COLUMNS}) {direction} '{}' (FORMAT binary)",
            file.display()
        );
        let output = Command::new(install::bin_dir().join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url])
            .args(["-c", &copy, "-c", "SELECT pg_read_file('/proc/self/schedstat')"])
            .output()
            .expect("psql starts");
        assert!(output.status.success(), "{copy}: {}", String::from_utf8_lossy(&output.stderr));
        nanoseconds(&String::from_utf8_lossy(&output.stdout))
    }
}

/// The first number in Linux's `schedstat`, which is the time on a CPU.
fn nanoseconds(schedstat: &str) -> Duration {
    let first = schedstat.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(first.expect("a Linux that counts the time on a CPU"))
}
