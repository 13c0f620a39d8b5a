//! No row is lost when a process or the database goes away, up to the limits of the manual.

mod database_down;
mod losses;
mod process_killed;
mod quarantine_by_hand;
mod server_crashes;
