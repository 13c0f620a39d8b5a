//! Shared by the benches: what is measured, what a thread spends, and how variants are compared.

pub mod cost;
pub mod floor;
pub mod options;
pub mod plot;
pub mod rounds;
pub mod samples;
pub mod spans;
pub mod stores;
pub mod workload;
