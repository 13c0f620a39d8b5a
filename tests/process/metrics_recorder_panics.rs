//! A recorder of metrics that panics, on the writer's thread, costs no row. In a process of its own, as the recorder is
//! the whole program's.

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use support::{DEADLINE, alone};
use tracing_ledger::store::Memory;
use tracing_subscriber::prelude::*;

struct PanickingRecorder;

impl Recorder for PanickingRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("as the test wants")
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("as the test wants")
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("as the test wants")
    }
}

#[test]
fn a_metrics_recorder_that_panics_costs_no_row() {
    alone("metrics_recorder_panics::a_metrics_recorder_that_panics_costs_no_row", write_beside_a_panic);
}

fn write_beside_a_panic() {
    metrics::set_global_recorder(PanickingRecorder).expect("it is the first");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let memory = Memory::default();
    let builder = tracing_ledger::builder().spool_dir(folder.path().join("spool"));
    let (layer, guard) = builder.build_with(memory.clone()).expect("the options are right");
    let dispatch = tracing_subscriber::registry().with(layer).into();
    tracing::dispatcher::with_default(&dispatch, || {
        for number in 0..10 {
            tracing::info!(name: "auto_assign.started", number);
            guard.flush(DEADLINE).expect("memory is there");
        }
    });
    assert_eq!(guard.shutdown(DEADLINE).expect("memory is there").written, 10);
    assert_eq!(memory.rows().len(), 10);
}
