//! The language of the rules, and the messages about mistakes in it.

mod forms;
mod messages;
