//! From a URL to a connection that a pooler accepts, with a limit on every wait.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tracing::subscriber::{NoSubscriber, with_default};

use super::classify::{Step, StepError};
use super::{CONNECT_TIMEOUT, STATEMENT_TIMEOUT};
use crate::Error;

/// Starts every transaction. The server gives up before we do, so that its answer says why; and all of it
/// ends with the transaction, as behind a pooler the session is another client's next.
///
/// No timeout of the server ends a `COPY` whose rows have stopped coming. When the network loses us there, our rows
/// stay locked, and a second try of them waits, until the server asks whether we are still there: by default after
/// two hours, and with these keepalives after 20 s.
///
/// Notices are not asked for: that of a trigger may quote a row, and the driver would hand it to the host's layers, as
/// a tracing event of the target `sqlx::postgres::notice`. (`RAISE INFO` comes all the same, and is a `TRACE` there.)
const BEGIN: &str = "BEGIN; \
     SET LOCAL statement_timeout = '20s'; \
     SET LOCAL lock_timeout = '10s'; \
     SET LOCAL idle_in_transaction_session_timeout = '20s'; \
     SET LOCAL tcp_keepalives_idle = 5; \
     SET LOCAL tcp_keepalives_interval = 5; \
     SET LOCAL tcp_keepalives_count = 3; \
     SET LOCAL client_min_messages = error";

/// Parameters of the URL that are passed on. Others belong to other programs that share the URL (`pgbouncer`,
/// `connection_limit`, `channel_binding`); the driver would log them with their values.
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

/// Reads the URL. No message holds any part of it: the driver's own ones would.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let url = known_parameters(url)?;
    // The driver reads .pgpass meanwhile, and would log a malformed line of it, password and all.
    let parsed = with_default(NoSubscriber::default(), || url.parse());
    let options: PgConnectOptions = parsed.map_err(|_| unreadable())?;
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

fn known_parameters(url: &str) -> Result<String, Error> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(unreadable());
    }
    let Some((address, query)) = url.split_once('?') else {
        return Ok(url.to_owned());
    };
    let mut kept = Vec::new();
    for pair in query.split('&') {
        // As the driver reads it.
        let key = percent_decoded(pair.split('=').next().unwrap_or_default());
        if PARAMETERS.contains(&&*key) || key.starts_with("options[") {
            kept.push(pair);
        } else if key.to_lowercase().starts_with("ssl") {
            // Not to be ignored: a misspelt `sslmode` would send everything in the clear.
            return Err(Error::config(
                "the Postgres URL has an unknown parameter that starts with ssl: \
                 known are sslmode, sslrootcert, sslcert and sslkey",
            ));
        }
    }
    Ok(format!("{address}?{}", kept.join("&")))
}

/// What is no text stands for no parameter we know.
fn percent_decoded(key: &str) -> String {
    let mut rest = key.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.split_at_checked(2).filter(|_| byte == b'%');
        let escaped = digits.and_then(|(digits, after)| {
            let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = escaped.unwrap_or((byte, after));
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn refuse_missing_tls(options: &PgConnectOptions) -> Result<(), Error> {
    let optional =
        matches!(options.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer);
    if optional || cfg!(feature = "tls") {
        return Ok(());
    }
    Err(Error::config(
        "the Postgres URL asks for TLS by its sslmode: build tracing-ledger with the feature tls",
    ))
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StepError> {
    within(Step::Connect, CONNECT_TIMEOUT, options.connect()).await
}

/// Explicit, as a pooler may hand each statement outside of a transaction to another server.
pub(super) async fn begin(connection: &mut PgConnection, step: Step) -> Result<(), StepError> {
    simple(connection, step, BEGIN).await
}

pub(super) async fn commit(connection: &mut PgConnection, step: Step) -> Result<(), StepError> {
    simple(connection, step, "COMMIT").await
}

/// Gets a connection out of a transaction that failed.
pub(super) async fn roll_back(connection: &mut PgConnection, step: Step) -> Result<(), StepError> {
    simple(connection, step, "ROLLBACK").await
}

/// Runs statements without parameters, by the simple protocol: it names no statement.
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
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StepError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result.map_err(|error| StepError::sql(step, error)),
        Err(_) => Err(StepError::timed_out(step, limit)),
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
        let known = known_parameters(url).expect("readable");
        assert_eq!(known, "postgres://db/app?sslmode=disable&options[a]=b");
    }

    #[test]
    fn a_misspelt_sslmode_is_refused_and_an_encoded_one_is_heard() {
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
