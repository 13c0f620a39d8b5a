//! The notice that the outcomes of a callsite are unknown, held back while its first calls may still return.
//!
//! Tracing registers the event of a `ret` when a call returns for the first time. Until then nothing tells a function
//! without a `ret` from one whose calls were all dropped.

use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;
use tracing::Metadata;

use super::{Plan, Plans, Told};

/// How long a notice is held back.
const DELAY: Duration = Duration::from_secs(2);

/// The notice, and the moment since when it is held.
#[derive(Debug, Default)]
pub(super) struct Held(OnceCell<(Instant, String)>);

impl Plan {
    /// Holds this notice back, and gives it once, when the delay is over.
    pub(crate) fn hold_unknown(&self, notice: impl FnOnce() -> String) -> Option<&str> {
        self.held.0.get_or_init(|| (Instant::now(), notice()));
        self.held_unknown(false)
    }

    fn held_unknown(&self, at_end: bool) -> Option<&str> {
        let (since, notice) = self.held.0.get()?;
        let is_due = at_end || since.elapsed() >= DELAY;
        (is_due && !self.reports() && self.is_first(Told::Unknown)).then_some(notice)
    }
}

impl Plans {
    /// The notice that is held back for this callsite, once, when the delay or the program is over.
    pub(crate) fn held_unknown(&self, meta: &Metadata<'_>, at_end: bool) -> Option<String> {
        self.get(meta)?.held_unknown(at_end).map(str::to_owned)
    }
}
