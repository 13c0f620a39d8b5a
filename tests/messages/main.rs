//! Every message says what is wrong and what to do.

mod annotations;
mod bad_input;
mod filters;
mod hints;
mod mistakes;
mod on_stderr;
mod silent_setups;
mod unreachable;
