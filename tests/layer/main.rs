//! How the layer gets along with other layers and with tracing itself.

mod beside_fmt;
mod first_calls_at_once;
mod unnamed_callsites;
