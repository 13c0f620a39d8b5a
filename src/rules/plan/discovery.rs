//! Counts the calls of every callsite, for a program that runs to show what it has.
//!
//! The table of the hot path stays empty meanwhile, so each call takes the slow path of an unknown callsite, which counts it. A
//! program that does not discover pays nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tracing::Metadata;
use tracing::callsite::Identifier;

use super::Plans;
use super::table::CallsiteTable;

#[derive(Debug, Default)]
pub(super) struct Discovery {
    /// The callsites that the table of the hot path would have.
    pub(super) known: CallsiteTable,
    calls: Mutex<HashMap<Identifier, u64>>,
}

impl Discovery {
    pub(super) fn count(&self, meta: &Metadata<'_>) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(meta.callsite()).or_default() += 1;
    }
}

impl Plans {
    /// Counts the calls of every callsite, at a cost.
    pub(crate) fn discover(mut self, discover: bool) -> Self {
        self.discovery = discover.then(Discovery::default);
        self
    }

    pub(crate) fn is_discovering(&self) -> bool {
        self.discovery.is_some()
    }

    /// How often the callsite came, where that is counted.
    pub(crate) fn calls(&self, meta: &Metadata<'_>) -> Option<u64> {
        let calls = self.discovery.as_ref()?.calls.lock().unwrap_or_else(PoisonError::into_inner);
        Some(calls.get(&meta.callsite()).copied().unwrap_or_default())
    }

    /// The table of everything that was registered.
    pub(super) fn known(&self) -> &CallsiteTable {
        self.discovery.as_ref().map_or(&self.by_callsite, |discovery| &discovery.known)
    }
}
