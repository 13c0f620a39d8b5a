//! Nothing but tests.

#[cfg(test)]
mod server;
#[cfg(test)]
mod tower_http_requests;
