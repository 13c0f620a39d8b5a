//! The address of the database, from a URL and from what libpq reads beside it: environment variables, a service file and
//! a password file.
//!
//! Each parameter of libpq is honoured, or harmless, or refused by its name: see [`parameters`]. The driver would read
//! some in its own way and ignore others, so nothing is left to it: it gets the result.

mod environment;
mod parameters;
mod passfile;
mod servers;
mod service;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod url;

use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use tracing::subscriber::{NoSubscriber, with_default};

pub(super) use self::environment::Environment;
pub(super) use self::servers::Server;
pub(super) use self::session::Session;
use self::settings::Settings;
pub(super) use self::tls::{attempts, choose_cryptography};
use crate::error::Error;
use crate::notice::{self, NoticeKind};

/// Where to connect.
pub(super) struct Address {
    /// At least one, in the order of the URL.
    servers: Vec<Server>,
    /// `None` if nothing is set.
    pub(super) session: Option<Session>,
    /// The timeout for one server, if it is set.
    pub(super) timeout: Option<Duration>,
    shuffled: bool,
}

impl Address {
    /// Reads the URL and what belongs to it. No message holds a part of them, other than the names of parameters.
    pub(super) fn read(url: &str, environment: &Environment<'_>) -> Result<Self, Error> {
        let settings = Settings::read(url, environment)?;
        let session = settings.get("target_session_attrs");
        let session = session.map(|setting| Session::read(&setting.value, &setting.named())).transpose()?;
        let options = tls::with_tls(options(&settings)?, &settings, environment)?;
        let servers = servers::read(&settings, environment, &options)?;
        Ok(Self { servers, session, timeout: timeout(&settings)?, shuffled: shuffled(&settings)? })
    }

    /// Without passwords.
    #[cfg(feature = "report")]
    pub(super) fn place(&self) -> String {
        let mut servers: Vec<_> = self.servers.iter().map(Server::place).collect();
        servers.sort_unstable();
        servers.join(" ")
    }

    pub(super) fn servers(&self) -> usize {
        self.servers.len()
    }

    /// The servers in the order in which to try them now.
    pub(super) fn in_turn(&self) -> Vec<&Server> {
        let mut servers: Vec<_> = self.servers.iter().collect();
        if self.shuffled {
            // The last four bytes are random; those before them count.
            servers.sort_by_cached_key(|_| uuid::Uuid::now_v7().as_u128() << 96);
        }
        servers
    }
}

/// The options that all servers share.
fn options(settings: &Settings) -> Result<PgConnectOptions, Error> {
    // The driver reads `options` from PGOPTIONS or from a URL, and has no setter that takes them whole. It has no
    // subscriber here, because it would log a malformed line of .pgpass.
    let options = match settings.get("options").filter(|setting| !setting.is_of_environment()) {
        Some(setting) => {
            let url = format!("postgres:///?options={}", url::encode(&setting.value));
            with_default(NoSubscriber::default(), || url.parse::<PgConnectOptions>())
                .map_err(|_| Error::config(format!("{} cannot be read; correct it", setting.named())))?
        }
        None => PgConnectOptions::new_without_pgpass(),
    };
    let user = user(settings, environment::own_user)?;
    let options = options.username(&user).database(settings.value("dbname").unwrap_or(&user));
    let names = ["application_name", "fallback_application_name"];
    let name = names.iter().find_map(|name| settings.value(name)).unwrap_or("tracing-ledger");
    let session = settings.session_options.iter().map(|(name, value)| (name, value));
    let options = options.application_name(name).extra_float_digits(None); // pgbouncer rejects it
    let options = if settings.session_options.is_empty() { options } else { options.options(session) };
    Ok(options.disable_statement_logging())
}

/// The user that is set, else the one of this process.
fn user(settings: &Settings, own: impl FnOnce() -> Option<String>) -> Result<String, Error> {
    settings.value("user").map(str::to_owned).or_else(own).ok_or_else(|| {
        Error::config(
            "the Postgres address names no user, and the user of this process has no name: use \
             postgres://USER@HOST/DATABASE, or set PGUSER",
        )
    })
}

/// `None` if it is not set, or set to wait for ever.
fn timeout(settings: &Settings) -> Result<Option<Duration>, Error> {
    let Some(setting) = settings.get("connect_timeout") else { return Ok(None) };
    let seconds = setting.value.trim().parse::<i64>().map_err(|_| {
        Error::config(format!("{} is no whole number of seconds; correct it", setting.named()))
    })?;
    Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs))
}

fn shuffled(settings: &Settings) -> Result<bool, Error> {
    match settings.get("load_balance_hosts") {
        None => Ok(false),
        Some(setting) => match &*setting.value {
            "disable" => Ok(false),
            "random" => Ok(true),
            _ => {
                Err(Error::config(format!("{} has an unknown value: use disable or random", setting.named())))
            }
        },
    }
}

/// The password file, with a notice if there is one that is not used.
fn passfile(settings: &Settings, environment: &Environment<'_>) -> passfile::Passfile {
    let setting = settings.get("passfile");
    let path = match setting {
        Some(setting) => Some((&*setting.value).into()),
        None => environment.in_home(".pgpass"),
    };
    let Some(path) = path else { return passfile::Passfile::default() };
    let named =
        || setting.map_or("~/.pgpass".to_owned(), |setting| format!("the file of {}", setting.named()));
    match passfile::Passfile::read(&path) {
        Ok(Some(file)) => return file,
        Ok(None) if setting.is_none() => {}
        Ok(None) => notice::say(
            NoticeKind::Database,
            format_args!("{} is not there, so no password is read from it", named()),
        ),
        Err(fault) => notice::say(NoticeKind::Database, format_args!("{} {fault}", named())),
    }
    passfile::Passfile::default()
}
