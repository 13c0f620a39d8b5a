//! The atomics, locks and waits of queue, writer and guard: those of std, parking_lot, tokio and crossbeam, or those of loom when
//! loom explores the orders of threads (`scripts/models`).

#[cfg(all(test, ledger_loom))]
pub(crate) use self::model::*;
#[cfg(not(all(test, ledger_loom)))]
pub(crate) use self::real::*;

#[cfg(not(all(test, ledger_loom)))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};
    pub(crate) use std::thread_local;

    pub(crate) use crossbeam_channel as channel;
    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
    pub(crate) use tokio::sync::Notify;
}

#[cfg(all(test, ledger_loom))]
mod model;
