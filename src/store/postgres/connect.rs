//! Makes connections that a pooler accepts from a URL, with a timeout for every wait.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tracing::subscriber::{NoSubscriber, with_default};
use url::Url;

use super::classify::{Step, StepError};
use super::{CONNECT_TIMEOUT, STATEMENT_TIMEOUT};
use crate::error::Error;

/// Begins every transaction. The timeouts of the server are shorter than ours, so that its answer names the cause. They
/// end with the transaction, because behind a pooler the next client gets the session.
///
/// No timeout of the server ends a `COPY` whose rows have stopped coming. If the network is lost there, the rows stay
/// locked and a second try of them waits, until the server checks whether the client is alive: after two hours by
/// default, and after 20 s with these keepalives.
///
/// Notices are off: the notice of a trigger may quote a row, and the driver would pass it to the host's layers as an event
/// with the target `sqlx::postgres::notice`. (`RAISE INFO` comes all the same, as a `TRACE` event.)
const BEGIN: &str = "BEGIN; \
     SET LOCAL statement_timeout = '20s'; \
     SET LOCAL lock_timeout = '10s'; \
     SET LOCAL idle_in_transaction_session_timeout = '20s'; \
     SET LOCAL tcp_keepalives_idle = 5; \
     SET LOCAL tcp_keepalives_interval = 5; \
     SET LOCAL tcp_keepalives_count = 3; \
     SET LOCAL client_min_messages = error";

/// The parameters of the URL that the driver gets. Others (`pgbouncer`, `connection_limit`, `channel_binding`) are for
/// other programs that use the same URL, and the driver would log them with their values.
const PARAMETERS: [&str; 13] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-mode",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// Reads the URL. The messages hold no part of it; those of the driver would.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let url = with_known_parameters(url)?;
    // The driver reads .pgpass here, and would log a malformed line with its password.
    let parsed = with_default(NoSubscriber::default(), || PgConnectOptions::from_url(&url));
    let options = parsed.map_err(|_| unreadable())?;
    refuse_missing_tls(&options)?;
    let name = options.get_application_name().unwrap_or("tracing-ledger").to_owned();
    Ok(options
        .application_name(&name)
        .extra_float_digits(None) // pgbouncer rejects it
        .disable_statement_logging())
}

fn unreadable() -> Error {
    Error::config(
        "the Postgres URL cannot be read: use postgres://USER:PASSWORD@HOST:PORT/DATABASE, \
         with the special characters of user and password percent-encoded",
    )
}

fn with_known_parameters(url: &str) -> Result<Url, Error> {
    let mut url = Url::parse(url).map_err(|_| unreadable())?;
    if !matches!(url.scheme(), "postgres" | "postgresql") || url.cannot_be_a_base() {
        return Err(unreadable());
    }
    let is_known = |key: &str| PARAMETERS.contains(&key) || key.starts_with("options[");
    let (known, others): (Vec<_>, Vec<_>) =
        url.query_pairs().into_owned().partition(|(key, _)| is_known(key));
    // A misspelt `sslmode` would send everything in the clear.
    if others.iter().any(|(key, _)| key.to_lowercase().starts_with("ssl")) {
        return Err(Error::config(
            "the Postgres URL has an unknown parameter that starts with ssl: \
             use sslmode, sslrootcert, sslcert or sslkey",
        ));
    }
    url.set_query(None);
    if !known.is_empty() {
        url.query_pairs_mut().extend_pairs(known);
    }
    Ok(url)
}

fn refuse_missing_tls(options: &PgConnectOptions) -> Result<(), Error> {
    let optional =
        matches!(options.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer);
    if optional || cfg!(feature = "tls") {
        return Ok(());
    }
    Err(Error::config(
        "the sslmode of the Postgres URL requires TLS: build tracing-ledger with the feature tls",
    ))
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StepError> {
    within(Step::Connect, CONNECT_TIMEOUT, options.connect()).await
}

/// Outside of a transaction a pooler may pass each statement to another server.
pub(super) async fn begin(connection: &mut PgConnection, step: Step) -> Result<(), StepError> {
    simple(connection, step, BEGIN).await
}

pub(super) async fn commit(connection: &mut PgConnection, step: Step) -> Result<(), StepError> {
    simple(connection, step, "COMMIT").await
}

/// Ends a failed transaction.
pub(super) async fn roll_back(connection: &mut PgConnection, step: Step) -> Result<(), StepError> {
    simple(connection, step, "ROLLBACK").await
}

/// Runs statements without parameters, by the simple protocol, which gives statements no names.
pub(super) async fn simple(
    connection: &mut PgConnection,
    step: Step,
    sql: &'static str,
) -> Result<(), StepError> {
    statement(step, sqlx::raw_sql(sql).execute(connection)).await?;
    Ok(())
}

pub(super) async fn statement<T>(
    step: Step,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StepError> {
    within(step, STATEMENT_TIMEOUT, work).await
}

pub(super) async fn within<T>(
    step: Step,
    timeout: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StepError> {
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result.map_err(|error| StepError::sql(step, error)),
        Err(_) => Err(StepError::timed_out(step, timeout)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated() {
        for url in [
            "postgres://bob:se/cret@db/app",
            "postgres://bob:secret@db:port/app",
            "postgres://bob:secret@db/app?sslmode=secret",
            "postgres://bob:secret@db/app?port=secret",
            "postgres://bob:secret@db/app?sslsecret=1",
            "postgres://bob:%ff@secret/app",
            "mysql://bob:secret@db/app",
            "secret",
        ] {
            let error = options(url).expect_err(url);
            assert!(error.is_config(), "{url}");
            let text = format!("{error} {error:?}");
            assert!(!text.contains("secret") && !text.contains("bob"), "{url}: {text}");
        }
    }

    #[test]
    fn parameters_of_other_programs_are_left_out() {
        let url = "postgres://db/app?pgbouncer=true&sslmode=disable&connection_limit=1&options[a]=b";
        let known = with_known_parameters(url).expect("readable");
        assert_eq!(known.as_str(), "postgres://db/app?sslmode=disable&options%5Ba%5D=b");
    }

    #[test]
    fn a_misspelt_sslmode_is_refused_and_an_encoded_one_is_read() {
        for key in ["SSLMODE", "SslMode", "%53SLMODE", "ssl%4Dode", "sslmod", "%73%73%6cmod", "SSL-mode"] {
            let error = options(&format!("postgres://db/app?a=b&{key}=disable")).expect_err(key);
            assert!(error.to_string().contains("unknown parameter that starts with ssl"), "{error}");
        }
        for key in ["sslmode", "%73slmode", "ssl%6Dode", "ssl%2Dmode"] {
            let options = options(&format!("postgres://db/app?a=b&{key}=disable")).expect(key);
            assert!(matches!(options.get_ssl_mode(), PgSslMode::Disable), "{key}");
        }
    }

    #[test]
    fn the_application_has_a_name() {
        let plain = options("postgres://db/app").expect("readable");
        assert_eq!(plain.get_application_name(), Some("tracing-ledger"));
        let named = options("postgres://db/app?application_name=api").expect("readable");
        assert_eq!(named.get_application_name(), Some("api"));
    }
}
