//! The spans and events of the program, as tracing registers them, and what is to be said about rules that miss them.
//!
//! Tracing registers a callsite when the program first reaches it. Only its metadata is kept then, and everything else is
//! worked out later, on the thread of the writer or of the guard: no listener is called while tracing registers.

mod callsite;
mod cause;
mod near;
mod outcome;
mod probe;
mod unmet;
mod words;

use std::collections::HashSet;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::dispatcher::{self, WeakDispatch};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Metadata};

pub use self::callsite::Callsite;
use self::probe::{Hidden, Program};
use self::words::Words;
use crate::notice::{NoticeKind, Route};
use crate::rules::plan::Plans;
use crate::suppressed;

/// The most callsites that are kept: more than large programs have.
const LIMIT: usize = 16_384;
/// The most callsites that a discovery lists on stderr.
const LISTED: usize = 200;
/// How long after its first span the program is judged as a whole. Without a span the time counts from the start.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before looking for unknown outcomes again.
const PAUSE: Duration = Duration::from_secs(1);

/// The callsites of the program, and the notices about them so far.
#[derive(Debug)]
pub(crate) struct Census {
    plans: Arc<Plans>,
    found: Mutex<SeenCallsites>,
    /// The number of callsites in `found`, to be read without the lock.
    count: AtomicUsize,
    /// The layer was added to a subscriber.
    is_added: AtomicBool,
    /// That subscriber was asked for its level, as tracing does when somebody installs it.
    is_installed: AtomicBool,
    /// That subscriber, once the layer has learned it.
    subscriber: OnceLock<WeakDispatch>,
    /// Tracing has asked all filters anew, as after a reload, and the events of `ret` were not looked at since.
    is_asked_anew: AtomicBool,
    /// The same for the spans and events that become rows.
    is_changed: AtomicBool,
    /// A look has failed, and no notice has said so yet.
    is_blind: AtomicBool,
    built: Instant,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct SeenCallsites {
    known: HashSet<Identifier>,
    /// Those that tracing has registered with the layer. A probe takes one out to see whether it comes again.
    reached: HashSet<Identifier>,
    callsites: Vec<&'static Metadata<'static>>,
    first: Option<Instant>,
    /// When the first span of the program itself came.
    first_span: Option<Instant>,
}

/// The texts so far, so that each comes once.
#[derive(Debug, Default)]
struct Said {
    texts: HashSet<String>,
    /// The rules that a notice has named because they do not read an annotation.
    overlooking: HashSet<usize>,
    /// The callsites that a filter hides and that a notice has named.
    hidden: HashSet<Identifier>,
    /// The most verbose level that any subscriber wanted.
    level: Option<LevelFilter>,
    /// When unknown outcomes were looked for.
    unknown_at: Option<Instant>,
    /// The number of callsites when the immediate notices were last worked out.
    looked_at: usize,
    /// A notice about the set-up has said that a level hides more verbose spans and events.
    is_limit_told: bool,
    /// A notice has said that no rule has met anything.
    is_nothing_told: bool,
    /// The program was judged as a whole.
    is_done: bool,
    /// The same, after its own first span.
    is_done_with_spans: bool,
}

impl Census {
    pub(crate) fn new(plans: Arc<Plans>) -> Self {
        let (found, count, said, subscriber) = Default::default();
        let (is_added, is_installed, is_asked_anew, is_changed, is_blind) = Default::default();
        let built = Instant::now();
        Self {
            plans,
            found,
            count,
            is_added,
            is_installed,
            subscriber,
            is_asked_anew,
            is_changed,
            is_blind,
            built,
            said,
        }
    }

    /// A census without rules.
    #[cfg(test)]
    pub(crate) fn of_nothing() -> Arc<Self> {
        let plans = Plans::new(crate::rules::Rules::new(), tracing::level_filters::LevelFilter::OFF);
        Arc::new(Self::new(Arc::new(plans)))
    }

    /// Notes that the layer was added to a subscriber.
    pub(crate) fn added(&self) {
        self.is_added.store(true, Ordering::Relaxed);
    }

    /// Notes that the subscriber with the layer was asked for its level.
    pub(crate) fn installed(&self) {
        self.is_installed.store(true, Ordering::Relaxed);
    }

    /// Notes the subscriber with the layer. A layer in an `Option` does not learn it this way.
    pub(crate) fn belongs_to(&self, subscriber: &Dispatch) {
        self.subscriber.get_or_init(|| subscriber.downgrade());
    }

    /// The subscriber with the layer, if it is known and still exists.
    fn subscriber(&self) -> Option<Dispatch> {
        let known = self.subscriber.get().and_then(WeakDispatch::upgrade);
        known.or_else(|| Some(dispatcher::get_default(Dispatch::clone)).filter(|of| self.is_in(of)))
    }

    /// Whether the subscriber with the layer was dropped, such as one that could not be installed.
    fn is_gone(&self) -> bool {
        self.subscriber.get().is_some_and(|subscriber| subscriber.upgrade().is_none())
    }

    /// The subscriber with the layer, if another layer, such as `reload::Layer`, hides this one from downcasts.
    fn wrapping_subscriber(&self) -> Option<Dispatch> {
        self.subscriber.get().and_then(WeakDispatch::upgrade).filter(|subscriber| !self.is_in(subscriber))
    }

    fn is_in(&self, subscriber: &Dispatch) -> bool {
        subscriber.downcast_ref::<Arc<Self>>().is_some_and(|own| ptr::eq(&**own, self))
    }

    /// Learns whether a filter that was reloaded hides events of `ret`, before the writer judges silent calls by them.
    pub(crate) fn follow_filters(&self) {
        // First only a load, because a swap for every chunk would be a write.
        if self.is_asked_anew.load(Ordering::Acquire) && self.is_asked_anew.swap(false, Ordering::AcqRel) {
            probe::follow_returns(self);
        }
    }

    /// Notes a callsite. Tracing may register one more than once.
    pub(crate) fn register(&self, meta: &'static Metadata<'static>) {
        if Plans::is_barred(meta.target()) {
            return;
        }
        let mut found = lock(&self.found);
        found.reached.insert(meta.callsite());
        if found.known.contains(&meta.callsite()) {
            if !suppressed::is_this_thread() {
                self.is_asked_anew.store(true, Ordering::Release);
                self.is_changed.store(true, Ordering::Release);
            }
        } else if found.callsites.len() < LIMIT {
            found.known.insert(meta.callsite());
            found.first.get_or_insert_with(Instant::now);
            if meta.is_span() && callsite::is_own(meta) {
                found.first_span.get_or_insert_with(Instant::now);
            }
            found.callsites.push(meta);
            self.count.store(found.callsites.len(), Ordering::Relaxed);
        }
    }

    /// The list, by target and name.
    pub(crate) fn list(&self) -> Vec<Callsite> {
        let mut list: Vec<_> =
            self.callsites().into_iter().map(|meta| Callsite::of(meta, &self.plans)).collect();
        list.sort_by(|one, other| (one.target, one.name).cmp(&(other.target, other.name)));
        list
    }

    fn callsites(&self) -> Vec<&'static Metadata<'static>> {
        lock(&self.found).callsites.clone()
    }

    /// Gives the notices that are due. Cheap if no callsite is new.
    pub(crate) fn look(&self, route: &Route) {
        self.follow_filters();
        let (count, now, level) =
            (self.count.load(Ordering::Relaxed), Instant::now(), LevelFilter::current());
        let mut said = lock(&self.said);
        let is_new = std::mem::replace(&mut said.looked_at, count) != count;
        let is_done = said.is_done;
        let is_time = self.is_time(now, &mut said);
        let is_changed = said.level.replace(level).is_some_and(|before| before != level)
            | self.is_changed.swap(false, Ordering::AcqRel);
        let is_fresh = said.unknown_at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE);
        let looks_for_unknown = self.plans.has_unknown() && !is_fresh;
        if looks_for_unknown {
            said.unknown_at = Some(now);
        }
        drop(said);
        if is_new {
            self.say(route, Words::about(&self.plans, &self.callsites()).at_once());
        }
        if is_time {
            self.say_all(route, false);
        }
        if is_changed && is_done {
            self.say_hidden(route);
        }
        if looks_for_unknown {
            self.say_unknown(route, false);
        }
        self.say_blind(route);
    }

    /// Says at the end what there is to say about the whole run.
    pub(crate) fn look_back(&self, route: &Route) {
        self.say(route, Words::about(&self.plans, &self.callsites()).at_once());
        self.say_all(route, true);
        self.say_blind(route);
    }

    /// Whether to judge the program as a whole: once, and once more if its first span came after that.
    fn is_time(&self, now: Instant, said: &mut Said) -> bool {
        if said.is_done_with_spans {
            return false;
        }
        let (first, first_span) = {
            let found = lock(&self.found);
            (found.first, found.first_span)
        };
        let since = first_span.or(first).unwrap_or(self.built);
        let is_time =
            (first_span.is_some() || !said.is_done) && now.saturating_duration_since(since) >= PATIENCE;
        said.is_done |= is_time;
        said.is_done_with_spans |= is_time && first_span.is_some();
        is_time
    }

    fn say_all(&self, route: &Route, at_end: bool) {
        if self.plans.is_discovering() {
            self.say_list(route);
        }
        let callsites = self.callsites();
        let program = Program::of(self, callsites.is_empty() && (at_end || self.is_gone()));
        let words = Words::about(&self.plans, &callsites);
        let overlooking = words.overlooking();
        let overlooking =
            overlooking.into_iter().filter(|(rule, _)| lock(&self.said).overlooking.insert(*rule));
        let hidden = words.hidden(&self.untold(&program.hidden));
        let texts = hidden
            .into_iter()
            .chain(words.of_the_run(&program, at_end))
            .chain(overlooking.map(|(_, text)| text));
        self.say(route, texts.map(|text| (NoticeKind::Setup, text)));
        if at_end {
            self.say_unknown(route, true);
        }
        let is_told = {
            let said = lock(&self.said);
            !said.hidden.is_empty() || said.is_limit_told
        };
        let limit = words::limit(&program, &self.plans).filter(|_| !is_told);
        self.say(route, limit.map(|text| (NoticeKind::Setup, text)));
    }

    /// Says which spans and events a filter hides since it was reloaded.
    fn say_hidden(&self, route: &Route) {
        let callsites = self.callsites();
        let hidden = probe::hidden_by_now(self, &callsites);
        let text = Words::about(&self.plans, &callsites).hidden(&self.untold(&hidden));
        self.say(route, text.map(|text| (NoticeKind::Setup, text)));
    }

    /// Those that no notice has named so far.
    fn untold(&self, hidden: &[Hidden]) -> Vec<Hidden> {
        let mut said = lock(&self.said);
        hidden.iter().copied().filter(|hidden| said.hidden.insert(hidden.meta.callsite())).collect()
    }

    /// Says whose outcomes are unknown, and why.
    fn say_unknown(&self, route: &Route, at_end: bool) {
        let due = self.plans.unknown(&self.callsites(), at_end);
        if due.is_empty() {
            return;
        }
        let registered = probe::all_registered(self);
        self.say(route, outcome::unknown(&due, &registered).map(|text| (NoticeKind::Outcome, text)));
    }

    /// Says that a look has failed: otherwise the lack of other notices would read as if nothing were wrong.
    fn say_blind(&self, route: &Route) {
        if self.is_blind.load(Ordering::Relaxed) && self.is_blind.swap(false, Ordering::Relaxed) {
            self.say(route, [(NoticeKind::Setup, words::BLIND.to_owned())]);
        }
    }

    /// Lists the spans and events, for those who write rules.
    fn say_list(&self, route: &Route) {
        let list = self.list();
        for callsite in list.iter().take(LISTED) {
            route.say(NoticeKind::Discovery, format_args!("{callsite}"));
        }
        let more = list.len().saturating_sub(LISTED);
        if more > 0 {
            route.say(NoticeKind::Discovery, format_args!("{more} more: see Guard::callsites"));
        }
        if let Some(rule) = callsite::first_rule(&list) {
            let start = format_args!("append to a file of rules, whose first line may be builtin = true:");
            route.say(NoticeKind::Discovery, start);
            for line in rule {
                route.say(NoticeKind::Discovery, format_args!("{line}"));
            }
        }
    }

    fn say(&self, route: &Route, words: impl IntoIterator<Item = (NoticeKind, String)>) {
        for (kind, text) in words {
            let is_new = {
                let mut said = lock(&self.said);
                said.is_limit_told |= kind == NoticeKind::Setup && text.contains(words::LIMIT);
                let is_nothing = text.starts_with(words::NOTHING_MET);
                let is_told = is_nothing && std::mem::replace(&mut said.is_nothing_told, true);
                said.texts.insert(text.clone()) && !is_told
            };
            if is_new {
                route.say(kind, format_args!("{text}"));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
