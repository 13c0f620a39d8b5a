//! Callsites whose calls have reported no outcome, and when the notice about them is due.
//!
//! Tracing registers the event of a `ret` when a call returns for the first time. Until then a function
//! without a `ret` looks like one whose calls were all dropped. So the notice waits a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;
use tracing::Metadata;

use super::plans::verdict;
use super::{Plan, Plans, RowNotice, Shape, site};

/// How long the notice waits for a call that returns.
const DELAY: Duration = Duration::from_secs(2);

/// The first call without an outcome.
#[derive(Debug)]
pub(super) struct Unknown {
    first: OnceCell<Instant>,
    /// The flag of all callsites: some first call is new.
    any: Arc<AtomicBool>,
}

impl Unknown {
    pub(super) fn new(any: &Arc<AtomicBool>) -> Self {
        Self { first: OnceCell::new(), any: Arc::clone(any) }
    }
}

impl Plan {
    /// Notes a call that has reported no outcome.
    pub(crate) fn note_unknown(&self) {
        if !self.has_given(RowNotice::Unknown) {
            self.unknown.first.get_or_init(Instant::now);
            self.unknown.any.store(true, Ordering::Relaxed);
        }
    }

    /// Whether nothing has explained these calls yet.
    fn is_unexplained(&self) -> bool {
        let was_proven = self.shape.as_ref().is_some_and(Shape::was_proven);
        self.unknown.first.get().is_some()
            && !was_proven
            && !self.reports()
            && !self.has_given(RowNotice::Unknown)
    }

    /// Whether the notice about unknown outcomes is due, for the first time. A function that is still proving itself has one at
    /// the end alone.
    fn is_unknown(&self, at_end: bool) -> bool {
        let is_due = |since: &Instant| at_end || since.elapsed() >= DELAY && !self.is_learning();
        self.unknown.first.get().is_some_and(is_due)
            && self.is_unexplained()
            && self.is_first(RowNotice::Unknown)
    }

    /// Whether this is the event that the `ret` of this span emits.
    pub(crate) fn returns_by(&self, event: &'static Metadata<'static>) -> bool {
        site(self.meta).is_some() && site(self.meta) == site(event) && verdict(event) == Some(false)
    }
}

impl Plans {
    /// Whether some callsite may have unknown outcomes that nothing has explained yet.
    pub(crate) fn has_unknown(&self) -> bool {
        self.any_unknown.load(Ordering::Relaxed)
    }

    /// The callsites whose notice about unknown outcomes is due now, each once.
    pub(crate) fn unknown(
        &self,
        callsites: &[&'static Metadata<'static>],
        at_end: bool,
    ) -> Vec<&'static Plan> {
        self.any_unknown.store(false, Ordering::Relaxed);
        let plans: Vec<_> = callsites.iter().filter_map(|meta| self.get(meta)).collect();
        let due = plans.iter().copied().filter(|plan| plan.is_unknown(at_end)).collect();
        if plans.iter().any(|plan| plan.is_unexplained()) {
            self.any_unknown.store(true, Ordering::Relaxed);
        }
        due
    }
}
