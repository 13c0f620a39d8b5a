//! One span under way: its record so far, and how it ends.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tracing::span::Id;

use super::inherit::Inherited;
use super::panic_message;
use crate::record::{Fields, Ids, Record, Tally, Verdict};
use crate::rules::plan::{NameSet, Plan, Plans, RowPlan, Shape, is_same_kind};

/// A function closes its span within this time after its last exit, also in a debug build beside slow layers. An executor takes
/// longer to learn that a client has hung up.
const AT_ONCE: Duration = Duration::from_micros(20);
/// Even a function on a thread that lost its processor closes its span within this time.
const LONG_AFTER: Duration = Duration::from_millis(100);

/// A span that is followed: one with a rule, or one whose fields are inherited.
#[derive(Debug)]
pub(super) struct OpenSpan {
    /// The nearest enclosing span that is followed too.
    pub(super) parent: Option<Id>,
    pub(super) record: Record,
    /// How often the span was entered while the thread was already unwinding: that panic is not the span's.
    entered_unwinding: u32,
    /// The call has reported its outcome and left. A later enter and exit only drops its future.
    has_ended: bool,
    /// How often it was left, and the thread that left it last.
    exits: u8,
    left_on: usize,
    /// The span that was current when the call was made, for a call that an enclosing span collects.
    pub(super) home: Option<Id>,
    /// The last counted exit returned to `home`. A later exit to another span does not count, unless it panics: it is
    /// on another thread, such as that of a database driver.
    was_home: bool,
    /// The numbers and tallies of the calls within the span, which few spans have. A place that is used again keeps the empty box.
    pub(super) children: Option<Box<Children>>,
    /// The values that the span gives to spans below, if any has asked.
    inherited: Option<Box<Inherited>>,
}

/// The numbers and tallies that a span keeps about the calls within it.
#[derive(Debug, Default)]
pub(super) struct Children {
    /// The next number, by the event type of the numbered calls.
    numbers: Vec<(Arc<str>, u32)>,
    /// One for each of the rule's `collect`: the calls that have ended so far.
    pub(super) tallies: Vec<Tally>,
}

impl OpenSpan {
    pub(super) fn new(plan: &'static Plan) -> Self {
        let (parent, entered_unwinding, has_ended, exits, left_on) = Default::default();
        let (home, was_home, children, inherited) = Default::default();
        let record = Record::new(plan);
        Self {
            parent,
            record,
            entered_unwinding,
            has_ended,
            exits,
            left_on,
            home,
            was_home,
            children,
            inherited,
        }
    }

    /// Whether it will have a row.
    #[inline]
    pub(super) fn is_call(&self) -> bool {
        self.record.has_row()
    }

    /// Whether it has ids that join its row, and was left so often.
    #[inline]
    pub(super) fn has_ids_after(&self, exits: u8) -> bool {
        self.record.head.plan.row().is_some_and(|row| row.has_ids) && self.exits == exits
    }

    /// The ids that join its row.
    pub(super) fn ids(&mut self) -> Option<&mut Ids> {
        self.record.head.extra.as_mut()?.ids.as_mut()
    }

    /// Begins anew in the same place, which is clear.
    #[inline]
    pub(super) fn reset(&mut self, plan: &'static Plan) {
        self.record.reset(plan);
        self.parent = None;
        self.entered_unwinding = 0;
        self.has_ended = false;
        self.exits = 0;
        self.home = None;
        self.was_home = false;
    }

    /// Keeps no more memory than the next span is likely to need.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.record.clear();
        if let Some(children) = &mut self.children {
            children.numbers.clear();
            children.tallies.clear();
        }
        if let Some(inherited) = &mut self.inherited {
            inherited.fields.clear();
            inherited.wanted = 0;
        }
    }

    /// The span's fields, to be changed.
    #[inline]
    pub(super) fn fields_mut(&mut self) -> &mut Fields {
        if let Some(inherited) = &mut self.inherited {
            inherited.wanted = 0;
        }
        &mut self.record.fields
    }

    /// The values that the span gives to a record below that misses these names. They are kept until the span gets other fields,
    /// because the next record that asks likely misses the same names.
    #[inline]
    pub(super) fn inherited(&mut self, wanted: NameSet, plans: &Plans) -> &mut Inherited {
        let inherited = self.inherited.get_or_insert_default();
        if inherited.wanted != wanted {
            inherited.gather(wanted, &self.record, plans);
        }
        inherited
    }

    /// The thread entered the span while it was unwinding.
    pub(super) fn enter_unwinding(&mut self) {
        self.entered_unwinding = self.entered_unwinding.saturating_add(1);
    }

    /// The span was left, to the `current` one.
    #[inline]
    pub(super) fn exit(&mut self, now: Instant, current: impl FnOnce() -> Option<u64>, thread: usize) {
        self.exits = self.exits.saturating_add(1);
        self.left_on = thread;
        let is_home = self.home.as_ref().is_some_and(|home| current() == Some(home.into_u64()));
        let panicked = thread::panicking() && !self.was_entered_unwinding();
        if self.has_ended || self.was_home && !is_home && !panicked {
            return;
        }
        self.was_home = is_home;
        if let Some(children) = &self.children {
            self.record.tallies.clone_from(&children.tallies);
        }
        let head = &mut self.record.head;
        head.ended = now;
        self.has_ended = panicked || head.verdict.is_some();
        if panicked {
            self.panic();
        }
    }

    /// The span closes on this thread. A silent call has returned if its span has the shape of a function's, and its
    /// callsite has proven to be a function: see [`Shape`].
    pub(super) fn judge(&mut self, shape: &Shape, thread: usize) {
        let head = &mut self.record.head;
        if head.panicked || head.plan.reports() {
            return;
        }
        if self.exits != 1 || self.left_on != thread {
            return shape.note_future();
        }
        // `#[instrument(err)]` enters the span of an async function more than once.
        if head.verdict.is_some() {
            return shape.note_function();
        }
        let since = head.ended.elapsed();
        if since > LONG_AFTER {
            shape.note_future();
        } else if since > AT_ONCE {
            shape.note_unclear();
        } else if shape.note_silent() {
            head.verdict = Some(Verdict::Returned);
        }
    }

    #[cold]
    fn panic(&mut self) {
        let head = &mut self.record.head;
        head.panicked = true;
        let message = panic_message::last(head.started);
        self.record.fields.truncated |= message.as_ref().is_some_and(|message| message.is_cut);
        head.extra.get_or_insert_default().message = message.map(|message| message.text);
    }

    /// Copies the tallies if the span was never entered. Otherwise its exit has copied them.
    #[inline]
    pub(super) fn copy_tallies(&mut self) {
        let copied = &mut self.record.tallies;
        if let Some(children) = &self.children
            && copied.is_empty()
        {
            copied.clone_from(&children.tallies);
        }
    }

    /// The number of a new call within this span, if it numbers calls of that kind.
    #[inline]
    pub(super) fn next_number(&mut self, row: &RowPlan, within: &Arc<str>) -> Option<u32> {
        let is_within =
            self.record.head.plan.row().is_some_and(|outer| is_same_kind(&outer.event_type, within));
        is_within.then(|| self.children.get_or_insert_default().next_number(&row.event_type))
    }

    /// Makes room for tallies in a new span, if its rule collects anything.
    #[inline]
    pub(super) fn prepare_tallies(&mut self, row: &RowPlan) {
        let count = row.collects.len();
        if count > 0 {
            self.children.get_or_insert_default().tallies.resize(count, Tally::default());
        }
    }

    /// Pairs this exit with an enter that came while the thread was already unwinding, if there was one.
    fn was_entered_unwinding(&mut self) -> bool {
        let before = self.entered_unwinding;
        self.entered_unwinding = before.saturating_sub(1);
        before > 0
    }
}

impl Children {
    #[inline]
    pub(super) fn next_number(&mut self, event_type: &Arc<str>) -> u32 {
        let Some((_, next)) = self.numbers.iter_mut().find(|(of, _)| is_same_kind(of, event_type)) else {
            self.numbers.push((Arc::clone(event_type), 1));
            return 0;
        };
        let number = *next;
        *next = number.saturating_add(1);
        number
    }
}

/// Counts a row that ended within a span; whether the span's rule collects its kind.
#[inline]
pub(super) fn tally(tallies: &mut [Tally], collects: &[Arc<str>], event_type: &Arc<str>, time: u64) -> bool {
    let mut collected = false;
    for (of, tally) in collects.iter().zip(tallies) {
        if is_same_kind(of, event_type) {
            tally.count = tally.count.saturating_add(1);
            tally.total = tally.total.saturating_add(time);
            collected = true;
        }
    }
    collected
}
