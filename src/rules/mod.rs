//! Which spans and tracing events become which rows.

pub(crate) mod model;
pub(crate) mod plan;

use std::sync::Arc;

/// Which spans and tracing events become which rows.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) list: Arc<[Arc<model::Rule>]>,
}
