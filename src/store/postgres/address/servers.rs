//! The servers of an address: `host`, `hostaddr` and `port`, each a list with commas.

use std::net::IpAddr;
use std::path::Path;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::passfile::Passfile;
use super::settings::{Assignment, Settings};
use super::{Environment, passfile};
use crate::error::Error;

const PORT: u16 = 5432;

/// Where a server makes its socket, if nothing is set: on Debian, and by default.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// One server, and how to connect to it.
pub(in super::super) struct Server {
    way: Way,
    options: PgConnectOptions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By a name, or by a numeric address.
    Tcp(String),
    /// By the socket in this folder.
    Socket(String),
    /// Nothing is set: by a socket if there is one, else by `localhost`.
    Default,
}

impl Server {
    #[cfg(test)]
    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Without the password.
    #[cfg(feature = "report")]
    pub(super) fn place(&self) -> String {
        let (to, _) = self.options();
        let host = to.get_socket().map_or(to.get_host().into(), |folder| folder.to_string_lossy());
        let (port, user) = (to.get_port(), to.get_username());
        format!("{:?}", (host, port, to.get_database(), user, to.get_options()))
    }

    /// The options for a connection now, and whether it is by a socket.
    pub(in super::super) fn options(&self) -> (PgConnectOptions, bool) {
        let options = self.options.clone();
        match &self.way {
            Way::Tcp(host) => (options.host(host), false),
            Way::Socket(folder) => (options.socket(folder), true),
            Way::Default => {
                let socket = format!(".s.PGSQL.{}", options.get_port());
                match SOCKET_FOLDERS.iter().find(|folder| Path::new(folder).join(&socket).exists()) {
                    Some(folder) => (options.socket(folder), true),
                    None => (options.host("localhost"), false),
                }
            }
        }
    }
}

pub(super) fn read(
    settings: &Settings,
    environment: &Environment<'_>,
    options: &PgConnectOptions,
) -> Result<Vec<Server>, Error> {
    let (hosts, addresses) = (list(settings.get("host")), list(settings.get("hostaddr")));
    let count = hosts.len().max(addresses.len()).max(1);
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(Error::config(
            "the lists host and hostaddr of the Postgres address have different lengths",
        ));
    }
    let ports = ports(settings.get("port"), count)?;
    let passwords =
        if settings.value("password").is_none() { Some(passfile(settings, environment)) } else { None };
    let server = |index: usize| {
        let named =
            |list: &[&str]| list.get(index).filter(|text| !text.is_empty()).map(|text| (*text).to_owned());
        let (host, address) = (named(&hosts), named(&addresses));
        let way = way(host.as_deref(), address.as_deref(), options.get_ssl_mode())?;
        let options = options.clone().port(ports[index]);
        let password = match (settings.value("password"), &passwords) {
            (Some(password), _) => password,
            (None, Some(file)) => password(file, host.or(address).as_deref(), &options),
            (None, None) => "",
        };
        Ok(Server { way, options: options.password(password) })
    };
    (0..count).map(server).collect()
}

fn list(setting: Option<&Assignment>) -> Vec<&str> {
    setting.map_or_else(Vec::new, |setting| setting.value.split(',').collect())
}

/// A port for each server: one for all, or each its own.
fn ports(setting: Option<&Assignment>, count: usize) -> Result<Vec<u16>, Error> {
    let Some(setting) = setting else { return Ok(vec![PORT; count]) };
    let port = |text: &str| match text.trim() {
        "" => Ok(PORT),
        text => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            Error::config(format!("{} is no number from 1 to 65535; correct it", setting.named()))
        }),
    };
    let ports: Vec<u16> = setting.value.split(',').map(port).collect::<Result<_, _>>()?;
    match *ports.as_slice() {
        [port] => Ok(vec![port; count]),
        _ if ports.len() == count => Ok(ports),
        _ => Err(Error::config("the Postgres address has neither one port nor as many ports as hosts")),
    }
}

fn way(host: Option<&str>, address: Option<&str>, mode: PgSslMode) -> Result<Way, Error> {
    if let Some(address) = address {
        if address.parse::<IpAddr>().is_err() {
            return Err(Error::config(
                "hostaddr of the Postgres address is no numeric address; use host for a name",
            ));
        }
        if host.is_some_and(|host| host != address) && matches!(mode, PgSslMode::VerifyFull) {
            return Err(Error::config(
                "hostaddr cannot be honoured with sslmode=verify-full, because the driver compares the certificate with the \
                 name it connects to: leave out hostaddr",
            ));
        }
        return Ok(Way::Tcp(address.to_owned()));
    }
    Ok(match host {
        None => Way::Default,
        Some(host) if host.starts_with('/') => Way::Socket(host.to_owned()),
        Some(host) if host.starts_with('@') => {
            return Err(Error::config("the driver has no abstract sockets: use a socket in a directory"));
        }
        Some(host) => Way::Tcp(host.to_owned()),
    })
}

/// The password for the host as the address names it; a default socket counts as `localhost`.
fn password<'a>(file: &'a Passfile, host: Option<&str>, options: &PgConnectOptions) -> &'a str {
    let host = host.filter(|host| !SOCKET_FOLDERS.contains(host)).unwrap_or("localhost");
    let database = options.get_database().unwrap_or_default();
    file.password(host, options.get_port(), database, options.get_username()).unwrap_or_default()
}
