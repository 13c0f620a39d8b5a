//! The tests share these: PostgreSQL servers of their own, ledgers whose rows are read back, tests in a process of
//! their own.

mod alone;
mod closed_port;
mod cluster;
mod gate;
mod install;
mod ledger;
mod sqlite;
mod terminal;
mod wait;

pub use alone::{alone, this_test};
pub use closed_port::ClosedPort;
pub use cluster::{Cluster, free_port};
pub use gate::{GateKey, Gated, gated};
pub use install::unprivileged;
pub use ledger::{DEADLINE, Ledger, StoredRow, only};
pub use sqlite::SqliteFile;
pub use terminal::Terminal;
pub use wait::{SOON, until, until_failing, until_on_disk};
