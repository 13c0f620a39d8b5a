//! The contract: the exact contents of the rows, over every store. Each file holds one promise.

#![expect(clippy::too_many_lines, reason = "the cases of a test are one table")]

mod annotations;
mod cancelled;
mod constants;
mod durations;
mod errors;
mod fields;
mod hostile_characters;
mod ids;
mod inherits;
mod jobs;
mod names;
mod own_fields;
mod panics;
mod points;
mod quotes;
mod shapes;
mod takes;
mod times;
mod upstream_mistakes;
