//! The ids that join rows: those of OpenTelemetry's data model.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

/// The trace that a record belongs to, and its place there. An id of zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) trace: u128,
    /// The span itself or, of an event, the span around it.
    pub(crate) span: u64,
    /// The span around the span.
    pub(crate) parent: u64,
}

impl Ids {
    /// New ids for a span, in the trace of the span around it.
    pub(crate) fn within(outer: Option<Self>) -> Self {
        let span = random().max(1);
        match outer {
            Some(outer) => Self { trace: outer.trace, span, parent: outer.span },
            None => {
                let trace = u128::from(random()) << 64 | u128::from(random());
                Self { trace: trace.max(1), span, parent: 0 }
            }
        }
    }

    /// These ids, replaced as far as OpenTelemetry has ids for the span (`own`) and for the nearest span around it (`outer`).
    ///
    /// OpenTelemetry does not say which parent a span has. A span around it in the same trace is the parent, unless the service
    /// has set another one.
    pub(crate) fn joined(self, own: Option<Self>, outer: Option<Self>) -> Self {
        match (own, outer) {
            (Some(own), Some(outer)) if own.trace == outer.trace => Self { parent: outer.span, ..own },
            (Some(own), _) => own,
            (None, Some(outer)) => Self { trace: outer.trace, span: self.span, parent: outer.span },
            (None, None) => self,
        }
    }

    /// The ids of an event within the span that has these.
    pub(crate) fn of_event(self) -> Self {
        Self { parent: 0, ..self }
    }
}

thread_local! {
    /// Without a destructor, so that it is available until the end of the thread.
    static STATE: Cell<u128> = const { Cell::new(0) };
}

/// A random number by PCG XSL-RR. Each thread begins with 128 bits that depend on the system's.
fn random() -> u64 {
    const FACTOR: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;
    const STEP: u128 = 0x5851_F42D_4C95_7F2D_1405_7B7E_F767_814F;
    let before = match STATE.get() {
        0 => seed(),
        state => state,
    };
    let state = before.wrapping_mul(FACTOR).wrapping_add(STEP);
    STATE.set(state);
    ((state >> 64) as u64 ^ state as u64).rotate_right((state >> 122) as u32)
}

#[cold]
fn seed() -> u128 {
    let keys = RandomState::new();
    u128::from(keys.hash_one(0)) << 64 | u128::from(keys.hash_one(1))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn ids_differ_within_a_thread_and_between_threads() {
        let ids = || (0..1000).map(|_| Ids::within(None)).collect::<Vec<_>>();
        let all: Vec<_> = [thread::spawn(ids), thread::spawn(ids)]
            .into_iter()
            .flat_map(|other| other.join().expect("ids"))
            .collect();
        assert_eq!(all.iter().map(|ids| ids.trace).collect::<HashSet<_>>().len(), 2000);
        assert_eq!(all.iter().map(|ids| ids.span).collect::<HashSet<_>>().len(), 2000);
        let ones: u32 = all.iter().map(|ids| ids.trace.count_ones()).sum();
        assert!((62..=66).contains(&(ones / 2000)), "half of the bits are set: {ones}");
    }
}
