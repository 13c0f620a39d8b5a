//! Which trouble has been said: one line on stderr for the first of each kind, and one when it is over.

use std::time::{Duration, Instant};

use crate::queue::Stats;

/// Trouble that comes back sooner than this is not said again, so that a database that flaps does not fill the
/// log.
const QUIET: Duration = Duration::from_secs(60);

/// What can go wrong in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It will pass.
    Retry,
    /// A person has to act.
    Hold,
    /// Too many rows of a batch are refused.
    Drift,
    /// Rows were set aside.
    Quarantine,
    /// Rows on losses are not taken.
    Untold,
    /// Records are refused, or older ones pushed out.
    QueueFull,
    /// The spool takes no more.
    Disk,
    /// Something else is wrong with the spool.
    Spool,
    /// Records cannot be read back.
    Corrupt,
    /// The writer panicked.
    Panic,
}

const KINDS: usize = Kind::Panic as usize + 1;

/// Trouble of one kind, as it was last said.
#[derive(Clone, Copy, Default)]
struct Said {
    at: Option<Instant>,
    open: bool,
}

/// What has been said so far.
#[derive(Default)]
pub(super) struct Troubles {
    said: [Said; KINDS],
    losses: Stats,
}

impl Troubles {
    /// Whether to say it: it is the first since the last [`over`](Self::over), and that was not just now.
    pub(super) fn raise(&mut self, kind: Kind) -> bool {
        let said = &mut self.said[kind as usize];
        if said.open || said.at.is_some_and(|at| at.elapsed() < QUIET) {
            return false;
        }
        *said = Said { at: Some(Instant::now()), open: true };
        true
    }

    /// Whether to say that it is over: any of these kinds had been said.
    pub(super) fn over(&mut self, kinds: &[Kind]) -> bool {
        let mut any = false;
        for kind in kinds {
            any |= std::mem::take(&mut self.said[*kind as usize].open);
        }
        any
    }

    /// The lines that the losses since the last look call for; whether the queue is full now.
    pub(super) fn losses(&mut self, now: Stats, is_full: bool) -> Vec<String> {
        let lost = |stats: &Stats| stats.refused.queue_full + stats.dropped.evicted;
        let before = std::mem::replace(&mut self.losses, now);
        let mut lines = Vec::new();
        if lost(&now) > lost(&before) {
            if self.raise(Kind::QueueFull) {
                lines.push(format!(
                    "the queue is full and {} records are lost so far: the database is away or too slow, or \
                     queue_capacity is too small",
                    lost(&now)
                ));
            }
        } else if !is_full && self.over(&[Kind::QueueFull]) {
            lines.push(format!("the queue has room again; {} records were lost in all", lost(&now)));
        }
        if now.dropped.corrupt > before.dropped.corrupt && self.raise(Kind::Corrupt) {
            lines.push(format!("{} rows could not be read back and are lost", now.dropped.corrupt));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_once_until_it_is_over_and_not_again_at_once() {
        let mut troubles = Troubles::default();
        assert!(troubles.raise(Kind::Retry));
        assert!(!troubles.raise(Kind::Retry));
        assert!(troubles.raise(Kind::Hold), "another kind is another line");
        assert!(troubles.over(&[Kind::Retry, Kind::Hold]));
        assert!(!troubles.over(&[Kind::Retry, Kind::Hold]));
        assert!(!troubles.raise(Kind::Retry), "it came back within a minute");
        assert!(!troubles.over(&[Kind::Retry]), "what was not said is not taken back");
    }

    #[test]
    fn a_full_queue_is_said_once_and_its_end_once() {
        let mut troubles = Troubles::default();
        let mut stats = Stats::default();
        assert!(troubles.losses(stats, false).is_empty());
        stats.refused.queue_full = 3;
        assert!(troubles.losses(stats, true)[0].contains("3 records are lost"));
        stats.refused.queue_full = 5;
        assert!(troubles.losses(stats, true).is_empty());
        assert!(troubles.losses(stats, true).is_empty(), "nobody has offered, and it is still full");
        assert!(troubles.losses(stats, false)[0].contains("5 records were lost in all"));
        assert!(troubles.losses(stats, false).is_empty());
    }
}
