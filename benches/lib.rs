//! Code that the benches share: workloads, costs of a thread, and the comparison of variants.

pub mod cost;
pub mod floor;
pub mod options;
pub mod plot;
pub mod rounds;
pub mod samples;
pub mod spans;
pub mod stores;
pub mod workload;
