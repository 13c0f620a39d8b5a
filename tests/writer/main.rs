//! The way from the queue into the store: losses, retries and waits.

mod account;
mod batches;
mod books;
mod drop;
mod flush;
mod fork;
mod losses;
mod overflow;
mod places;
mod quarantine;
mod retry;
mod shutdown;
mod spool_disk;
mod spool_quarantine;
mod spool_restart;
mod spool_shutdown;
mod starved;
mod supervised;
