//! The language of the rules, the messages about mistakes in it, and the values that they redact.

#![expect(clippy::too_many_lines, reason = "the cases of a test are one table")]

mod forms;
mod messages;
mod redact;
