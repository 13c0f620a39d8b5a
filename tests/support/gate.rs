//! A store that keeps its writer waiting until it is opened.

use std::future::Future;

use tokio::sync::watch;
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, InsertError, Memory, Store};

/// The key to a [`Gated`] store.
pub struct GateKey(watch::Sender<bool>);

/// A memory behind a gate.
pub struct Gated {
    memory: Memory,
    open: watch::Receiver<bool>,
}

/// A closed gate, and the store behind it.
pub fn gated(memory: Memory) -> (GateKey, Gated) {
    let (sender, open) = watch::channel(false);
    (GateKey(sender), Gated { memory, open })
}

impl GateKey {
    pub fn open(&self) {
        self.0.send_replace(true);
    }
}

impl Store for Gated {
    fn insert(&mut self, batch: &[Row], attempt: Attempt) -> impl Future<Output = Result<(), InsertError>> {
        let Self { memory, open } = self;
        async move {
            // An error says that the gate is gone: then it is open.
            drop(open.wait_for(|open| *open).await);
            memory.insert(batch, attempt).await
        }
    }
}
