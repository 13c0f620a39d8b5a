//! Rows have the ids that tracing-opentelemetry gives to their spans.

use std::collections::HashMap;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TracerProvider as _,
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::{Value, json};
use tracing::{Dispatch, info, info_span};
use tracing_ledger::store::Memory;
use tracing_ledger::{Guard, LedgerLayer, Rules, builder};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

const RULES: &str = r#"
    [all]
    ids = true
    [[rule]]
    span = ["request", "job", "call", "hidden", "never entered"]
    [[rule]]
    event = "cache.miss"
"#;

/// The rows and the spans of one program.
struct Program {
    guard: Guard,
    memory: Memory,
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    LedgerFirst,
    OpenTelemetryFirst,
    /// The ledger's layer is in an `Option`, which does not tell it the subscriber.
    InOption,
}

const ORDERS: [Order; 3] = [Order::LedgerFirst, Order::OpenTelemetryFirst, Order::InOption];

impl Program {
    fn run(order: Order, program: impl FnOnce()) -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let memory = Memory::default();
        let (dispatch, guard) = match order {
            Order::LedgerFirst => {
                let (ledger, guard) = ledger(&memory);
                (Dispatch::new(tracing_subscriber::registry().with(ledger).with(otel(&provider))), guard)
            }
            Order::OpenTelemetryFirst => {
                let (ledger, guard) = ledger(&memory);
                (Dispatch::new(tracing_subscriber::registry().with(otel(&provider)).with(ledger)), guard)
            }
            Order::InOption => {
                let (ledger, guard) = ledger(&memory);
                (
                    Dispatch::new(tracing_subscriber::registry().with(otel(&provider)).with(Some(ledger))),
                    guard,
                )
            }
        };
        tracing::dispatcher::with_default(&dispatch, program);
        Self { guard, memory, exporter, provider }
    }

    /// The ids of the rows by event type.
    fn rows(&self) -> HashMap<String, [Value; 3]> {
        self.guard.flush(support::DEADLINE).expect("all rows are written");
        let ids = |context: &str| {
            let context: Value = serde_json::from_str(context).expect("a context");
            ["trace_id", "span_id", "parent_span_id"].map(|key| context[key].clone())
        };
        self.memory.rows().iter().map(|row| (row.event_type.to_string(), ids(&row.context))).collect()
    }

    /// The spans of OpenTelemetry by name.
    fn spans(&self) -> HashMap<String, SpanData> {
        self.provider.force_flush().expect("the exporter keeps all");
        let spans = self.exporter.get_finished_spans().expect("the exporter keeps all");
        spans.into_iter().map(|span| (span.name.to_string(), span)).collect()
    }
}

fn ledger<S>(memory: &Memory) -> (LedgerLayer<S>, Guard)
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let rules: Rules = RULES.parse().expect("sound rules");
    builder().rules(rules).build_with(memory.clone()).expect("sound options")
}

/// The layer, which does not see spans of the name `hidden`.
fn otel<S>(provider: &SdkTracerProvider) -> impl tracing_subscriber::Layer<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    layer.with_filter(filter_fn(|meta| meta.name() != "hidden"))
}

fn ids(span: &SpanData) -> [Value; 3] {
    let parent = span.parent_span_id;
    let parent = if parent == SpanId::INVALID { Value::Null } else { json!(parent.to_string()) };
    [json!(span.span_context.trace_id().to_string()), json!(span.span_context.span_id().to_string()), parent]
}

#[test]
fn rows_have_the_ids_of_their_spans_in_every_order_of_the_layers() {
    for order in ORDERS {
        let program = Program::run(order, || {
            info_span!("request").in_scope(|| {
                info_span!("no rule").in_scope(|| {
                    let job = info_span!("job");
                    job.in_scope(|| info_span!("call").in_scope(|| ()));
                    // Entered again, by which nothing changes.
                    job.in_scope(|| info!(name: "cache.miss", "not there"));
                });
            });
        });
        let (rows, spans) = (program.rows(), program.spans());
        for name in ["request", "job", "call"] {
            assert_eq!(rows[name], ids(&spans[name]), "{order:?}: {name}");
        }
        let [trace, job, _] = ids(&spans["job"]);
        assert_eq!(rows["cache.miss"], [trace, job, Value::Null], "{order:?}");
        assert_eq!(rows["job"][2], ids(&spans["no rule"])[1], "{order:?}: a span without a rule is a parent");
    }
}

#[test]
fn a_trace_of_another_service_goes_on() {
    for order in ORDERS {
        let trace = TraceId::from_bytes([7; 16]);
        let remote = SpanContext::new(
            trace,
            SpanId::from_bytes([9; 8]),
            TraceFlags::SAMPLED,
            true,
            Default::default(),
        );
        let program = Program::run(order, || {
            let request = info_span!("request");
            let parent = opentelemetry::Context::new().with_remote_span_context(remote.clone());
            request.set_parent(parent).expect("the span is not started");
            request.in_scope(|| info_span!("call").in_scope(|| ()));
        });
        let (rows, spans) = (program.rows(), program.spans());
        assert_eq!(spans["request"].span_context.trace_id(), trace, "{order:?}");
        let [of_request, span, _] = ids(&spans["request"]);
        assert_eq!(
            rows["request"],
            [of_request, span, Value::Null],
            "{order:?}: a remote parent is not known"
        );
        assert_eq!(rows["call"], ids(&spans["call"]), "{order:?}");
    }
}

#[test]
fn a_span_that_is_never_entered_is_joined_by_those_within_it() {
    for order in ORDERS {
        let program = Program::run(order, || {
            info_span!("request").in_scope(|| {
                let job = info_span!("job");
                let call = info_span!(parent: &job, "call");
                drop(job);
                call.in_scope(|| ());
            });
        });
        let (rows, spans) = (program.rows(), program.spans());
        for name in ["request", "job", "call"] {
            assert_eq!(rows[name], ids(&spans[name]), "{order:?}: {name}");
        }
    }
}

#[test]
fn a_span_that_opentelemetry_does_not_have_joins_the_trace() {
    for order in ORDERS {
        let program = Program::run(order, || {
            info_span!("request").in_scope(|| {
                info_span!("hidden").in_scope(|| info_span!("call").in_scope(|| ()));
                drop(info_span!("never entered"));
            });
        });
        let (rows, spans) = (program.rows(), program.spans());
        let [trace, request, _] = ids(&spans["request"]);
        assert_eq!(rows["call"], ids(&spans["call"]), "{order:?}");
        for name in ["hidden", "never entered"] {
            let [of_row, own, parent] = &rows[name];
            assert_eq!((of_row, parent), (&trace, &request), "{order:?}: {name}");
            assert!(own.is_string() && *own != request, "{order:?}: {name} has {own}");
        }
        if order == Order::LedgerFirst {
            assert_eq!(rows["never entered"], ids(&spans["never entered"]));
        }
    }
}
