//! What the script shows beside the crosshair of a chart.

use std::collections::BTreeMap;

use serde::Serialize;

/// By the charts' `data-chart`.
pub(super) type Kept = BTreeMap<String, Data>;

/// Figures by place, as texts: the script shows them and computes nothing.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    /// The places, from the left of the plot. A chart of time has the middle of each step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) at: Vec<f64>,
    /// A name for each place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<String>,
    /// Or the first moment and the length of a step, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<[f64; 2]>,
    pub(super) rows: Vec<(String, Vec<String>)>,
}
