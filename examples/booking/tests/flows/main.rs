//! The demo's own flows, over a fresh SQLite database, as the ledger sees them. One file to a promise.

mod graceful;
mod handover;
mod house;
mod letter;
mod limits;
mod requests;
mod results;
mod run;
mod slots;
