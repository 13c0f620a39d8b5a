//! The layer beside other layers, and within tracing itself.

mod beside_fmt;
mod compositions;
mod first_calls_at_once;
mod reloaded_filters;
mod unnamed_callsites;
