//! The ids that join rows: those that tracing-opentelemetry gives to a span, or else the ledger's own.
//!
//! A span gets ids from the ledger when it begins, in the trace of the nearest span around it that has some. At its first
//! exit it gets those of OpenTelemetry: earlier, the service may still set the remote parent, and later, the other layer
//! has forgotten the span.

use std::ops::ControlFlow;
#[cfg(feature = "otel")]
use std::ptr;

#[cfg(feature = "otel")]
use once_cell::sync::OnceCell;
#[cfg(feature = "otel")]
use opentelemetry::trace::TraceContextExt as _;
#[cfg(feature = "otel")]
use tracing::dispatcher::{self, WeakDispatch};
use tracing::span::Id;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

#[cfg(feature = "otel")]
use super::LedgerLayer;
use super::recorder::Recorder;
use super::spans::Cursor;
use crate::record::Ids;

impl Recorder {
    /// Gives ids to a span that begins.
    #[cold]
    pub(super) fn join(&self, cursor: &mut Cursor<'_>, id: &Id) {
        let parent = cursor.get(id).and_then(|open| open.parent.clone());
        let ids = Ids::within(parent.and_then(|parent| self.nearest_ids(cursor, parent)));
        if let Some(open) = cursor.get(id) {
            open.record.head.extra.get_or_insert_default().ids = Some(ids);
        }
    }

    /// The ids of the nearest of these spans that has some, from `from` outwards.
    fn nearest_ids(&self, cursor: &mut Cursor<'_>, from: Id) -> Option<Ids> {
        let mut found = None;
        self.outwards(cursor, from, |open| {
            // The head of a span without a row is left over from an earlier span.
            found = if open.is_call() { open.record.head.ids() } else { None };
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }

    /// Gives a span the ids that OpenTelemetry has for it.
    #[cold]
    pub(super) fn join_otel<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(span) = ctx.span(id) else { return };
        let own = self.otel_ids(ctx.span(id).into_iter()).map(|(_, ids)| ids);
        let outer = self.otel_ids(span.scope().skip(1));
        if let Some((outer, ids)) = &outer {
            self.join_unentered(outer, *ids);
        }
        let outer = outer.map(|(_, ids)| ids);
        self.spans.with(id, |open| {
            if let Some(ids) = open.ids() {
                *ids = ids.joined(own, outer);
            }
        });
    }

    /// Gives ids to a span that was never entered: when it closes, the other layer has forgotten it. So a span within it finds
    /// its ids earlier.
    fn join_unentered(&self, id: &Id, found: Ids) {
        self.spans.with(id, |open| {
            if open.has_ids_after(0)
                && let Some(ids) = open.ids()
            {
                *ids = ids.joined(Some(found), None);
            }
        });
    }

    /// The ids of the span around an event.
    #[cold]
    pub(super) fn ids_around<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>) -> Option<Ids>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let span = ctx.event_span(event)?;
        let own = || {
            let nearest = self.followed(ctx.event_scope(event)?)?;
            self.nearest_ids(&mut self.spans.cursor(&nearest), nearest)
        };
        self.otel_ids(span.scope()).map(|(_, ids)| ids).or_else(own).map(Ids::of_event)
    }
}

/// Where the ids of OpenTelemetry are found.
#[derive(Default)]
pub(super) struct OtelIds {
    /// The subscriber that the ledger belongs to.
    #[cfg(feature = "otel")]
    dispatch: OnceCell<WeakDispatch>,
}

impl OtelIds {
    pub(super) const IS_ON: bool = cfg!(feature = "otel");

    /// Notes the subscriber that the ledger belongs to.
    #[cfg_attr(
        not(feature = "otel"),
        expect(unused_variables, clippy::unused_self, reason = "it needs no subscriber")
    )]
    pub(super) fn registered(&self, dispatch: &Dispatch) {
        #[cfg(feature = "otel")]
        self.dispatch.get_or_init(|| dispatch.downgrade());
    }
}

#[cfg(feature = "otel")]
impl Recorder {
    /// The first of these spans that OpenTelemetry has, and its ids there.
    fn otel_ids<'a, S>(&self, mut spans: impl Iterator<Item = SpanRef<'a, S>>) -> Option<(Id, Ids)>
    where
        S: Subscriber + for<'b> LookupSpan<'b>,
    {
        let dispatch = self.dispatch::<S>()?;
        spans.find_map(|span| {
            let id = span.id();
            let context = tracing_opentelemetry::get_otel_context(&id, &dispatch)?;
            let context = context.span().span_context().clone();
            let trace = u128::from_be_bytes(context.trace_id().to_bytes());
            let span = u64::from_be_bytes(context.span_id().to_bytes());
            context.is_valid().then_some((id, Ids { trace, span, parent: 0 }))
        })
    }

    /// The subscriber that this recorder belongs to. A layer in an `Option` does not learn it by `on_register_dispatch`, so the
    /// subscriber of the thread is asked too.
    fn dispatch<S>(&self) -> Option<Dispatch>
    where
        S: Subscriber + for<'b> LookupSpan<'b>,
    {
        let is_ours = |dispatch: &Dispatch| {
            let layer = dispatch.downcast_ref::<LedgerLayer<S>>();
            layer.is_some_and(|layer| ptr::eq(&layer.recorder, self))
        };
        if self.otel.dispatch.get().is_none() {
            dispatcher::get_default(|dispatch| {
                if is_ours(dispatch) {
                    self.otel.registered(dispatch);
                }
            });
        }
        self.otel.dispatch.get()?.upgrade()
    }
}

#[cfg(not(feature = "otel"))]
impl Recorder {
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn otel_ids<'a, S>(&self, _: impl Iterator<Item = SpanRef<'a, S>>) -> Option<(Id, Ids)>
    where
        S: for<'b> LookupSpan<'b> + 'a,
    {
        None
    }
}
