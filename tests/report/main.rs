//! The report: its figures, its texts, and the command that prints it.

#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "cli")]
mod compare;
mod figures;
mod foreign_rows;
#[cfg(feature = "cli")]
mod schema;
mod texts;
