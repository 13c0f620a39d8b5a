//! Shared by the benches: what a thread spends, and how variants are compared.

pub mod cost;
pub mod rounds;
