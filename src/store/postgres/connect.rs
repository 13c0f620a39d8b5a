//! Makes connections that a pooler accepts, to the right one of several servers, with a timeout for every wait.

use std::io::ErrorKind;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnection, PgSslMode};

use super::address::{Address, Server, Session, attempts, choose_cryptography};
use super::classify::{Step, StepError};
use super::{CONNECT_TIMEOUT, STATEMENT_TIMEOUT};
use crate::notice::{self, NoticeKind};
use crate::store::Failure;

/// Begins every transaction. The timeouts of the server are shorter than those here, so that its answer names the cause. They
/// end with the transaction, because behind a pooler the next client gets the session.
///
/// No timeout of the server ends a `COPY` whose rows have stopped coming. If the network is lost there, the rows stay
/// locked and a second try of them waits, until the server checks whether the client is alive: after two hours by
/// default, and after 20 s with these keepalives.
///
/// A lock that another session holds delays only the rows that need it, so the timeout for locks is short. It is longer than
/// the server's `deadlock_timeout`, so that a deadlock is reported as one.
///
/// Notices are off: the notice of a trigger may quote a row, and the driver would pass it to the host's layers as an event
/// with the target `sqlx::postgres::notice`. (`RAISE INFO` comes all the same, as a `TRACE` event.)
const BEGIN: &str = "BEGIN; \
     SET LOCAL statement_timeout = '20s'; \
     SET LOCAL lock_timeout = '2s'; \
     SET LOCAL idle_in_transaction_session_timeout = '20s'; \
     SET LOCAL tcp_keepalives_idle = 5; \
     SET LOCAL tcp_keepalives_interval = 5; \
     SET LOCAL tcp_keepalives_count = 3; \
     SET LOCAL client_min_messages = error";

/// The timeout for each of several servers is no shorter.
const LEAST_TIMEOUT: Duration = Duration::from_secs(2);

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Write,
    Read,
}

/// Makes connections to the servers of an address.
pub(super) struct Connector {
    address: Address,
    /// Whether a notice has said that TLS failed, and that the connection does without.
    has_said_plain: bool,
}

impl Connector {
    pub(super) fn new(address: Address) -> Self {
        Self { address, has_said_plain: false }
    }

    /// The servers, the database, and what decides which schema is meant.
    #[cfg(feature = "report")]
    pub(super) fn place(&self) -> String {
        self.address.place()
    }

    /// Connects to the first server that is there and is of the wanted kind.
    pub(super) async fn connect(&mut self, purpose: Purpose) -> Result<PgConnection, StepError> {
        let wanted = self.wanted(purpose)?;
        let mut search = Search { wanted, others: 0, fault: None };
        for session in wanted.in_turn() {
            if let Some(connection) = self.find(session, &mut search).await? {
                return Ok(connection);
            }
        }
        Err(search.failed(self.address.servers()))
    }

    /// The kind of server to look for. Rows go to no standby, so of several servers it must be one that takes rows.
    fn wanted(&self, purpose: Purpose) -> Result<Session, StepError> {
        let several = self.address.servers() > 1;
        match (self.address.session, purpose) {
            (Some(session), Purpose::Write) if session.takes_no_rows() => Err(StepError::address(
                Failure::Hold,
                format!(
                    "target_session_attrs={} asks for a server that takes no rows; use read-write or primary",
                    session.word()
                ),
            )),
            (None, Purpose::Write) if several => Ok(Session::ReadWrite),
            (session, _) => Ok(session.unwrap_or(Session::Any)),
        }
    }

    async fn find(
        &mut self,
        session: Session,
        search: &mut Search,
    ) -> Result<Option<PgConnection>, StepError> {
        let timeout = self.timeout();
        for server in self.address.in_turn() {
            let found = async {
                let (mut connection, plain) = connect_to(server).await?;
                let accepted = session.accepts(&mut connection).await?;
                Ok((connection, plain, accepted))
            };
            match within(Step::Connect, timeout, found).await {
                Ok((connection, plain, true)) => {
                    say_plain(&mut self.has_said_plain, plain);
                    return Ok(Some(connection));
                }
                Ok((_, _, false)) => search.others += 1,
                // The next server would refuse the same login.
                Err(error) if error.refuses_login() => return Err(error),
                Err(error) => search.fault = Some(error),
            }
        }
        Ok(None)
    }

    /// All servers share the timeout of one, each with at least `LEAST_TIMEOUT`, unless `connect_timeout` is set.
    fn timeout(&self) -> Duration {
        let servers = u32::try_from(self.address.servers()).unwrap_or(u32::MAX);
        self.address.timeout.unwrap_or_else(|| (CONNECT_TIMEOUT / servers).max(LEAST_TIMEOUT))
    }
}

/// The servers that a search has met so far.
struct Search {
    wanted: Session,
    /// The servers of another kind.
    others: usize,
    fault: Option<StepError>,
}

impl Search {
    fn failed(self, servers: usize) -> StepError {
        let Self { wanted, others, fault } = self;
        match fault {
            Some(fault) if others == 0 => fault,
            fault => {
                let also = fault.map_or_else(String::new, |fault| {
                    format!("; another one failed: {}", fault.cause_text())
                });
                let of = if servers == 1 { "the server is not" } else { "no server of the URL is" };
                StepError::address(
                    Failure::Retry,
                    format!(
                        "{of} of the kind {} (target_session_attrs): wait until one is, or add it to the URL{also}",
                        wanted.word()
                    ),
                )
            }
        }
    }
}

/// Connects. If TLS failed and the connection does without, returns that failure too.
async fn connect_to(server: &Server) -> Result<(PgConnection, Option<sqlx::Error>), sqlx::Error> {
    let (options, by_socket) = server.options();
    let mut first = None;
    for mode in attempts(options.get_ssl_mode(), by_socket) {
        choose_cryptography(mode);
        match options.clone().ssl_mode(mode).connect().await {
            Ok(connection) => return Ok((connection, first.filter(|_| matches!(mode, PgSslMode::Disable)))),
            Err(error) => match first.take() {
                // The first error says more than the second, which only repeats the refusal.
                Some(earlier) if has_state(&error, "28000") || matches!(error, sqlx::Error::Tls(_)) => {
                    return Err(earlier);
                }
                Some(_) => return Err(error),
                None if !may_do_otherwise(mode, &error) => return Err(error),
                None => first = Some(error),
            },
        }
    }
    Err(first.unwrap_or(sqlx::Error::WorkerCrashed))
}

/// Whether `prefer` is worth an attempt without TLS, and `allow` one with it.
fn may_do_otherwise(mode: PgSslMode, error: &sqlx::Error) -> bool {
    let refused = has_state(error, "28000");
    match (mode, error) {
        (PgSslMode::Prefer, sqlx::Error::Io(error)) => matches!(
            error.kind(),
            ErrorKind::InvalidData
                | ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::BrokenPipe
        ),
        (PgSslMode::Prefer, sqlx::Error::Tls(_)) => true,
        (PgSslMode::Prefer | PgSslMode::Disable, _) => refused,
        _ => false,
    }
}

fn has_state(error: &sqlx::Error, sqlstate: &str) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some(sqlstate))
}

fn say_plain(has_said: &mut bool, plain: Option<sqlx::Error>) {
    if let Some(error) = plain.filter(|_| !*has_said) {
        *has_said = true;
        notice::say(
            NoticeKind::Database,
            format_args!(
                "the connection to Postgres is not encrypted, because sslmode is prefer and TLS failed: {}",
                StepError::sql(Step::Connect, error).cause_text_under_prefer()
            ),
        );
    }
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
