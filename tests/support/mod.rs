//! What the tests stand on: a real PostgreSQL server of their own, and fresh databases.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test file is a crate of its own and uses its own part of this"
)]

mod cluster;
pub(crate) mod counting;
mod gate;
mod install;
mod ledger;
mod sqlite;

pub(crate) use cluster::{Cluster, free_port};
pub(crate) use gate::{Gate, gated};
pub(crate) use ledger::{DEADLINE, Ledger, StoredRow, only};
pub(crate) use sqlite::SqliteFile;
