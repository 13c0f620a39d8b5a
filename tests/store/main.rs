//! The stores for Postgres and SQLite: rights, roles, TLS, retries, replays, rejected rows.

#![expect(clippy::too_many_lines, reason = "the cases of a test are one table")]

mod addresses;
mod columns;
mod create_table;
mod doctor;
mod least_rights;
mod one_row;
mod outage;
mod references;
mod rejected;
mod replay;
mod retry;
mod roles;
mod round_trip;
mod secrets;
mod shapes;
mod sqlite_files;
mod sqlite_urls;
mod table_names;
mod tls;
mod tls_by_old_certificates;
