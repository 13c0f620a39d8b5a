//! The least work of a layer that times spans: it stores an `Instant` in the span and reads it at the close.

use std::hint::black_box;
use std::time::Instant;

use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The floor.
pub struct Stopwatch;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Stopwatch {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Instant::now());
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id) {
            black_box(span.extensions().get::<Instant>().map(Instant::elapsed));
        }
    }
}

/// Wants every span, and answers `sometimes`, the only answer that is correct beside the filters of other layers.
pub struct Sometimes;

impl<S> Filter<S> for Sometimes {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
}

/// The floor behind a per-layer filter, which a layer needs to work beside others.
pub fn filtered<S>() -> Filtered<Stopwatch, Sometimes, S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Stopwatch.with_filter(Sometimes)
}
