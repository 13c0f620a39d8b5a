//! What lands in the table, to the letter, over every store. One file to a promise.

#[path = "../support/mod.rs"]
mod support;

mod cancelled;
mod durations;
mod errors;
mod fields;
mod inherits;
mod jobs;
mod names;
mod own_fields;
mod panics;
mod points;
mod quotes;
