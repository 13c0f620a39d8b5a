//! The language of the rules, and the messages about mistakes in it.

#![expect(clippy::too_many_lines, reason = "the cases of a test are one table")]

mod forms;
mod messages;
