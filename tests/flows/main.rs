//! The demo's own flows, over a fresh SQLite database, as the ledger sees them. One file to a promise.

#![allow(dead_code, reason = "of the demo, this takes the service and leaves its command line")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../../examples/booking/app.rs"]
mod app;
#[path = "../../examples/booking/bookings.rs"]
mod bookings;
#[path = "../../examples/booking/check.rs"]
mod check;
#[path = "../../examples/booking/client.rs"]
mod client;
#[path = "../../examples/booking/console.rs"]
mod console;
#[path = "../../examples/booking/db.rs"]
mod db;
#[path = "../../examples/booking/driver.rs"]
mod driver;
#[path = "../../examples/booking/floor.rs"]
mod floor;
#[path = "../../examples/booking/holds.rs"]
mod holds;
#[path = "../../examples/booking/http.rs"]
mod http;
#[path = "../../examples/booking/inline.rs"]
mod inline;
#[path = "../../examples/booking/job.rs"]
mod job;
#[path = "../../examples/booking/parties.rs"]
mod parties;
#[path = "../../examples/booking/planner.rs"]
mod planner;
#[path = "../../examples/booking/trouble.rs"]
mod trouble;

mod alone;
mod handover;
mod house;
mod letter;
mod limits;
mod requests;
mod results;
mod run;
mod slots;
