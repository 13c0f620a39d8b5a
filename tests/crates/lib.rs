//! Nothing but tests.
#![cfg(test)]

mod futures_of_tower_http;
mod otel_ids;
mod recipes;
mod server;
mod tower_http_requests;
