//! What lands in the table, to the letter, over every store. One file to a promise.

mod cancelled;
mod durations;
mod errors;
mod fields;
mod hostile_characters;
mod inherits;
mod jobs;
mod names;
mod own_fields;
mod panics;
mod points;
mod quotes;
mod upstream_mistakes;
