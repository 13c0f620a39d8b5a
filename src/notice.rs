//! Notices: lines to the people who run the service, and the routes of these lines.
//!
//! The background thread must not use `tracing`, because it would record its own work. So a notice is one line on stderr,
//! unless [`Builder::on_notice`](crate::Builder::on_notice) takes it. Each ledger has its own [`Route`]. Code that has no
//! ledger at hand, such as a store, uses the route of the thread that it runs on.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::escape::visible;
use crate::severity::Severity;
use crate::stderr;
use crate::suppressed;

/// One line of the ledger to the people who run the service: what happened, and what to do.
///
/// A notice goes to stderr, after `tracing-ledger: `, unless [`Builder::on_notice`](crate::Builder::on_notice) takes it.
/// `Display` is the text alone: it has no line breaks and no control characters, and names no URL, user or password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    kind: NoticeKind,
    severity: Severity,
    text: String,
}

/// The subject of a [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoticeKind {
    /// The ledger is on: its rules, store, table and spool.
    Start,
    /// Spans or events will not become the rows that the rules ask for.
    Setup,
    /// [`Builder::strict`](crate::Builder::strict) leaves out the rows of a callsite.
    Strict,
    /// The calls of a function have no known outcome.
    Outcome,
    /// The database does not take rows, or takes them again.
    Database,
    /// Records or rows are lost, quarantined or written without a reference.
    Loss,
    /// The spool, or a file in it.
    Spool,
    /// The end of the ledger or of the process.
    Shutdown,
    /// A defect of the ledger or of code that it calls.
    Panic,
    /// The spans and events of the program, in a program that runs with `TRACING_LEDGER_DISCOVER=1`.
    Discovery,
}

impl NoticeKind {
    fn severity(self) -> Severity {
        match self {
            Self::Start | Self::Discovery => Severity::Info,
            Self::Setup | Self::Outcome | Self::Database | Self::Loss | Self::Spool | Self::Shutdown => {
                Severity::Warning
            }
            Self::Strict | Self::Panic => Severity::Error,
        }
    }
}

impl Notice {
    /// The subject.
    pub fn kind(&self) -> NoticeKind {
        self.kind
    }

    /// `info`, `warning` or `error`.
    pub fn severity(&self) -> Severity {
        self.severity
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

type Listener = dyn Fn(&Notice) + Send + Sync;

/// Where the notices of a ledger go.
#[derive(Clone, Default)]
pub(crate) enum Route {
    #[default]
    Stderr,
    Nowhere,
    To(Arc<Listener>),
}

thread_local! {
    static OF_THREAD: RefCell<Route> = const { RefCell::new(Route::Stderr) };
}

impl Route {
    pub(crate) fn say(&self, kind: NoticeKind, message: fmt::Arguments<'_>) {
        self.give(kind, kind.severity(), message);
    }

    /// Whether even the lines that only stderr can take, because the process ends or is a forked child, are left out.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Nowhere)
    }

    /// From now on, code on this thread that has no ledger at hand uses this route. Returns the one before.
    pub(crate) fn take_thread(&self) -> Self {
        OF_THREAD.replace(self.clone())
    }

    /// Runs `work`, whose notices on this thread take this route.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        struct RestoredRoute(Route);
        impl Drop for RestoredRoute {
            fn drop(&mut self) {
                OF_THREAD.set(std::mem::take(&mut self.0));
            }
        }
        let _back = RestoredRoute(self.take_thread());
        work()
    }

    fn give(&self, kind: NoticeKind, severity: Severity, message: fmt::Arguments<'_>) {
        let listener = match self {
            Self::Nowhere => return,
            Self::Stderr => return stderr::say(message),
            Self::To(listener) => listener,
        };
        let notice = Notice { kind, severity, text: visible(&message.to_string()) };
        // A panic here would end the writer. The panic hook has printed its message.
        let listen = || suppressed::within(|| listener(&notice));
        if catch_unwind(AssertUnwindSafe(listen)).is_err() {
            stderr::say(format_args!("the listener of on_notice panicked, so this is on stderr: {notice}"));
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stderr => "Stderr",
            Self::Nowhere => "Nowhere",
            Self::To(_) => "To(…)",
        })
    }
}

/// Gives a notice to the route of the thread.
pub(crate) fn say(kind: NoticeKind, message: fmt::Arguments<'_>) {
    of_thread().say(kind, message);
}

/// The same, with the severity `info`, about a failure that is over.
pub(crate) fn say_over(kind: NoticeKind, message: fmt::Arguments<'_>) {
    of_thread().give(kind, Severity::Info, message);
}

/// A clone, because the listener may come here again. At the end of a thread its route is gone, and stderr takes its place.
fn of_thread() -> Route {
    OF_THREAD.try_with(|route| route.borrow().clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn kept() -> (Arc<Mutex<Vec<Notice>>>, Route) {
        let notices = Arc::<Mutex<Vec<Notice>>>::default();
        let keep = Arc::clone(&notices);
        (notices, Route::To(Arc::new(move |notice| keep.lock().expect("no panic").push(notice.clone()))))
    }

    #[test]
    fn a_thread_says_things_the_way_of_the_ledger_it_works_for() {
        let (notices, route) = kept();
        let (others, outer) = kept();
        outer.within(|| {
            route.within(|| say(NoticeKind::Outcome, format_args!("one\ntwo\u{1b}")));
            say(NoticeKind::Start, format_args!("outside"));
        });
        let notices = notices.lock().expect("no panic");
        assert_eq!((notices.len(), notices[0].kind()), (1, NoticeKind::Outcome));
        assert!(!notices[0].to_string().contains(['\n', '\u{1b}']), "{}", notices[0]);
        assert_eq!(others.lock().expect("no panic").len(), 1);
    }

    #[test]
    fn a_listener_that_panics_does_no_harm() {
        let route = Route::To(Arc::new(|_| panic!("as the test wants")));
        route.say(NoticeKind::Start, format_args!("still here"));
        assert!(!suppressed::is_this_thread());
    }
}
