//! Looks at the program as its subscriber sees it.
//!
//! A global filter outside of the layer keeps callsites from it altogether. A new dispatcher gets every callsite that
//! is registered, so a short-lived one, which wants none of them, learns their names. Afterwards tracing is asked to forget
//! its answers. All of it runs on a thread of its own, because the questions leave marks on the thread that asks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;

use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, NoSubscriber, Subscriber};
use tracing::{Dispatch, Event, Metadata, dispatcher};

use super::{Census, PATIENCE, lock};
use crate::suppressed;

/// A callsite that a filter keeps from the layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hidden {
    pub(super) meta: &'static Metadata<'static>,
    /// The filter keeps it from every layer.
    pub(super) is_global: bool,
}

/// The program beside what the layer has seen of it.
#[derive(Debug)]
pub(super) struct Program {
    /// The layer was added to a subscriber.
    pub(super) is_added: bool,
    /// Somebody has installed that subscriber, for some thread at least.
    pub(super) was_installed: bool,
    /// That subscriber is gone.
    pub(super) is_gone: bool,
    /// That subscriber is the one that this thread sees.
    pub(super) is_installed: bool,
    /// The ledger was built a moment ago, and this thread sees no subscriber at all.
    pub(super) is_bare: bool,
    /// Callsites that a filter keeps from the layer.
    pub(super) hidden: Vec<Hidden>,
    /// All callsites that tracing has registered, where they were asked for.
    pub(super) registered: Vec<&'static Metadata<'static>>,
    /// The most verbose level that any subscriber wants.
    pub(super) level: LevelFilter,
    /// The most verbose level that the compiler left in the program.
    pub(super) compiled: LevelFilter,
}

impl Program {
    /// Looks; `asks_all` also where the layer is not in the subscriber.
    pub(super) fn of(census: &Census, asks_all: bool) -> Self {
        let default = dispatcher::get_default(Dispatch::clone);
        let is_none = default.is::<NoSubscriber>();
        let is_bare = is_none && census.built.elapsed() < PATIENCE;
        let wrapped = census.wrapping_subscriber().filter(|_| !is_none);
        let is_installed = wrapped.is_some() || census.is_in(&default);
        let dispatch = wrapped.unwrap_or(default);
        let look = move || {
            let registered = if is_installed || asks_all { registered() } else { Vec::new() };
            let hidden = if is_installed { hidden(census, &dispatch, &registered) } else { Vec::new() };
            (registered, hidden)
        };
        let (registered, hidden) = apart(look).unwrap_or_default();
        Self {
            is_added: census.is_added.load(Ordering::Relaxed),
            was_installed: is_installed || census.is_installed.load(Ordering::Relaxed),
            is_gone: census.is_gone(),
            is_installed,
            is_bare,
            hidden,
            registered,
            level: LevelFilter::current(),
            compiled: STATIC_MAX_LEVEL,
        }
    }
}

/// Runs on a new thread. The ledger records nothing of that thread. `None` if it cannot start or panics.
fn apart<T: Send>(look: impl FnOnce() -> T + Send) -> Option<T> {
    let look = || {
        suppressed::suppress_this_thread();
        look()
    };
    thread::scope(|scope| thread::Builder::new().spawn_scoped(scope, look).ok()?.join().ok())
}

/// Asks for the events of `ret` that have told how calls ended: where a filter hides one by now, silence tells nothing.
pub(super) fn follow_returns(census: &Census) {
    let plans = census.callsites().into_iter().filter_map(|meta| census.plans.get(meta));
    let reporting: Vec<_> = plans.filter_map(|plan| Some((plan, plan.reported_by()?))).collect();
    let Some(dispatch) = census.subscriber().filter(|_| !reporting.is_empty()) else { return };
    let passes = |event: &Metadata<'_>| *event.level() <= LevelFilter::current() && dispatch.enabled(event);
    apart(|| reporting.iter().filter(|(_, event)| !passes(event)).for_each(|(plan, _)| plan.lost_return()));
}

/// Those of these callsites that a filter hides by now.
pub(super) fn hidden_by_now(census: &Census, callsites: &[&'static Metadata<'static>]) -> Vec<Hidden> {
    let Some(dispatch) = census.subscriber() else { return Vec::new() };
    apart(|| hidden(census, &dispatch, callsites)).unwrap_or_default()
}

/// Callsites that a rule names or takes fields of, and whose spans and events do not reach the layer.
fn hidden(census: &Census, dispatch: &Dispatch, registered: &[&'static Metadata<'static>]) -> Vec<Hidden> {
    let plans = &census.plans;
    let is_hidden = |meta: &&'static Metadata<'static>| {
        plans.wants(meta)
            // A filter that goes by more than the callsite may let it through at other times.
            && (!is_open(census, dispatch, meta) || !plans.has_made_rows(meta) && !dispatch.enabled(meta))
    };
    let hidden = registered.iter().copied().filter(is_hidden);
    // A filter of one layer leaves the callsite enabled for others.
    hidden.map(|meta| Hidden { meta, is_global: !dispatch.enabled(meta) }).collect()
}

/// Whether the filters that go by the callsite alone let it through to the layer.
fn is_open(census: &Census, dispatch: &Dispatch, meta: &'static Metadata<'static>) -> bool {
    let callsite = meta.callsite();
    lock(&census.found).heard.remove(&callsite);
    // It comes to the layer if no filter around it refuses, and the sum is `never` if one within it does.
    let is_never = dispatch.register_callsite(meta).is_never();
    *meta.level() <= LevelFilter::current() && !is_never && lock(&census.found).heard.contains(&callsite)
}

/// The same, for those who have nothing else to ask.
pub(super) fn all_registered() -> Vec<&'static Metadata<'static>> {
    apart(registered).unwrap_or_default()
}

/// Every callsite of the program that was come by.
fn registered() -> Vec<&'static Metadata<'static>> {
    let list = Arc::<Mutex<Vec<_>>>::default();
    drop(Dispatch::new(Collector(Arc::clone(&list))));
    tracing::callsite::rebuild_interest_cache();
    std::mem::take(&mut *lock(&list))
}

/// Wants nothing and learns the names of all.
struct Collector(Arc<Mutex<Vec<&'static Metadata<'static>>>>);

impl Subscriber for Collector {
    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        lock(&self.0).push(meta);
        Interest::never()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
