//! A redacted value never leaves the process.

mod leaves_no_trace;
mod rows;
