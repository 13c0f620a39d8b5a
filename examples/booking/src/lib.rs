//! The booking service of the demo: HTTP, planner, flows and their database.

pub mod app;
pub mod bookings;
pub mod check;
pub mod client;
pub mod console;
pub mod db;
pub mod driver;
pub mod failure;
pub mod floor;
pub mod holds;
pub mod http;
pub mod inline;
pub mod job;
pub mod parties;
pub mod planner;
