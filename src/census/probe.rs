//! Looks at the program as its subscriber sees it.
//!
//! A global filter outside of the layer keeps callsites from it altogether. A new dispatcher gets every callsite that
//! is registered, so a short-lived one, which wants none of them, learns their names. Afterwards tracing is asked to forget
//! its answers. Each look runs on a separate thread, because the questions leave marks on the thread that asks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;

use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::span::{self, Attributes, Id};
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

/// The state of the program, beside the callsites that the layer has seen.
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
    /// Looks at the program. `asks_all` asks for all callsites even if the layer is not in the subscriber.
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
        let (registered, hidden) = apart(census, look).unwrap_or_default();
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

/// Runs `look` on a new thread. The ledger records nothing of that thread. `None` if it cannot start or panics: then the
/// census gives a notice.
fn apart<T: Send>(census: &Census, look: impl FnOnce() -> T + Send) -> Option<T> {
    let look = || {
        suppressed::suppress_this_thread();
        look()
    };
    let found = thread::scope(|scope| thread::Builder::new().spawn_scoped(scope, look).ok()?.join().ok());
    if found.is_none() {
        census.is_blind.store(true, Ordering::Relaxed);
    }
    found
}

/// Looks for events of `ret` that have reported outcomes and that a filter hides by now: a silent call beside one is unknown.
pub(super) fn follow_returns(census: &Census) {
    let plans = census.callsites().into_iter().filter_map(|meta| census.plans.get(meta));
    let reporting: Vec<_> = plans.filter_map(|plan| Some((plan, plan.reported_by()?))).collect();
    let Some(dispatch) = census.subscriber().filter(|_| !reporting.is_empty()) else { return };
    let passes = |event: &Metadata<'_>| *event.level() <= LevelFilter::current() && dispatch.enabled(event);
    apart(census, || {
        reporting.iter().filter(|(_, event)| !passes(event)).for_each(|(plan, _)| plan.note_lost_return())
    });
}

/// The callsites among these that a filter hides by now.
pub(super) fn hidden_by_now(census: &Census, callsites: &[&'static Metadata<'static>]) -> Vec<Hidden> {
    let Some(dispatch) = census.subscriber() else { return Vec::new() };
    apart(census, || hidden(census, &dispatch, callsites)).unwrap_or_default()
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
    lock(&census.found).reached.remove(&callsite);
    // It comes to the layer if no filter around it refuses, and the sum is `never` if one within it does.
    let is_never = dispatch.register_callsite(meta).is_never();
    *meta.level() <= LevelFilter::current() && !is_never && lock(&census.found).reached.contains(&callsite)
}

/// Every callsite that the program has reached, found on a separate thread.
pub(super) fn all_registered(census: &Census) -> Vec<&'static Metadata<'static>> {
    apart(census, registered).unwrap_or_default()
}

/// Every callsite that the program has reached. Call it on a thread of [`apart`].
fn registered() -> Vec<&'static Metadata<'static>> {
    let list = Arc::<Mutex<Vec<_>>>::default();
    drop(Dispatch::new(Collector(Arc::clone(&list))));
    tracing::callsite::rebuild_interest_cache();
    std::mem::take(&mut *lock(&list))
}

/// Wants no span or event, and collects the metadata of every callsite.
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

    fn record(&self, _: &Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::words::BLIND;
    use crate::notice::{Notice, Route};

    /// A thread that panics stands for one that cannot start: neither leaves a result.
    #[test]
    fn a_look_that_fails_is_said_once() {
        let (census, said) = (Census::of_nothing(), Arc::<Mutex<Vec<String>>>::default());
        let heard = Arc::clone(&said);
        let route = Route::To(Arc::new(move |notice: &Notice| lock(&heard).push(notice.to_string())));
        for _ in 0..2 {
            assert!(apart::<()>(&census, || panic!("as the test wants")).is_none());
            census.look(&route);
        }
        assert_eq!(*lock(&said), [BLIND]);
    }
}
