//! Nothing but tests.

#[cfg(test)]
mod futures_of_tower_http;
#[cfg(test)]
mod otel_ids;
#[cfg(test)]
mod recipes;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tower_http_requests;
