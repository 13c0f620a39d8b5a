//! Every message says what is wrong and what to do.

#![expect(clippy::too_many_lines, reason = "the cases of a test are one table")]

mod annotations;
mod bad_input;
mod filters;
mod hints;
mod mistakes;
mod on_stderr;
mod silent_setups;
mod unreachable;
