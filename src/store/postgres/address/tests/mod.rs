//! Each parameter of libpq, and the helpers of the other tests.

mod files;
mod forms;
mod session;
mod tls;

use std::collections::HashMap;
use std::ffi::OsString;

use super::parameters::{self, PARAMETERS, Treatment, VARIABLES};
use super::*;

/// The parameters of the installed libpq 15, by `PQconndefaults`, then those that 16 and 17 have added.
const OF_LIBPQ: &str = "service user password passfile channel_binding connect_timeout dbname host hostaddr port \
     client_encoding options application_name fallback_application_name keepalives keepalives_idle \
     keepalives_interval keepalives_count tcp_user_timeout sslmode sslcompression sslcert sslkey sslpassword sslrootcert \
     sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version ssl_max_protocol_version gssencmode krbsrvname gsslib \
     replication target_session_attrs \
     sslcertmode require_auth load_balance_hosts \
     gssdelegation sslnegotiation";

/// Likewise the variables, with those that have become obsolete.
const VARIABLES_OF_LIBPQ: &str = "PGAPPNAME PGCHANNELBINDING PGCLIENTENCODING PGCONNECT_TIMEOUT PGDATABASE PGDATESTYLE \
     PGGEQO PGGSSENCMODE PGGSSLIB PGHOST PGHOSTADDR PGKRBSRVNAME PGLOCALEDIR PGOPTIONS PGPASSFILE PGPASSWORD PGPORT \
     PGREQUIREPEER PGREQUIRESSL PGSERVICE PGSERVICEFILE PGSSLCERT PGSSLCOMPRESSION PGSSLCRL PGSSLCRLDIR PGSSLKEY \
     PGSSLMAXPROTOCOLVERSION PGSSLMINPROTOCOLVERSION PGSSLMODE PGSSLROOTCERT PGSSLSNI PGSYSCONFDIR \
     PGTARGETSESSIONATTRS PGTZ PGUSER \
     PGREQUIREAUTH PGSSLCERTMODE PGLOADBALANCEHOSTS \
     PGGSSDELEGATION PGSSLNEGOTIATION";

/// Reads a URL with these variables and no others; the home directory is empty.
fn read_in(url: &str, variables: &[(&str, &str)]) -> Result<Address, Error> {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut all = HashMap::from([("HOME".to_owned(), home.path().as_os_str().to_owned())]);
    all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(*value))));
    Address::read(url, &Environment(&|name| all.get(name).cloned()))
}

fn read(url: &str) -> Address {
    read_in(url, &[]).unwrap_or_else(|error| panic!("{url}: {error}"))
}

#[track_caller]
fn refused(url: &str, variables: &[(&str, &str)], words: &[&str]) {
    let error = read_in(url, variables).err().unwrap_or_else(|| panic!("{url} {variables:?} is accepted"));
    let text = format!("{error} {error:?}");
    assert!(error.is_config() && !text.contains("s3cret") && !text.contains("bob"), "{url}: {text}");
    assert!(
        words.iter().all(|word| text.contains(word)),
        "{url} {variables:?}: {text:?} lacks one of {words:?}"
    );
}

/// Every server as `HOST:PORT` or `FOLDER:PORT`; one that nothing names is `-`.
fn servers(address: &Address) -> String {
    let server = |server: &&Server| {
        let port = server.options().0.get_port();
        match server.way() {
            servers::Way::Tcp(host) | servers::Way::Socket(host) => format!("{host}:{port}"),
            servers::Way::Default => format!("-:{port}"),
        }
    };
    address.in_turn().iter().map(server).collect::<Vec<_>>().join(" ")
}

fn options_of(address: &Address) -> PgConnectOptions {
    address.in_turn()[0].options().0
}

fn password(address: &Address, server: usize) -> String {
    let url = address.in_turn()[server].options().0.host("h").to_url_lossy();
    url.password().unwrap_or_default().replace("%2B", "+").replace("%3A", ":").replace("%5C", "\\")
}

fn mode(address: &Address) -> String {
    format!("{:?}", options_of(address).get_ssl_mode())
}

#[test]
fn each_parameter_of_libpq_is_known() {
    for name in OF_LIBPQ.split_whitespace() {
        assert!(parameters::find(name).is_some(), "{name}");
    }
    let variables: Vec<_> = PARAMETERS.iter().filter_map(|parameter| parameter.variable).collect();
    for name in VARIABLES_OF_LIBPQ.split_whitespace() {
        let known = variables.contains(&name) || VARIABLES.iter().any(|(variable, _)| *variable == name);
        assert!(known, "{name}");
    }
}

#[expect(clippy::too_many_lines, reason = "the cases are one table")]
#[test]
fn each_parameter_is_honoured_or_harmless_or_refused_by_its_name() {
    for parameter in PARAMETERS {
        let name = parameter.name;
        let url = |value: &str| format!("postgres://bob:s3cret@db/app?{name}={value}");
        let forms = |value: &str| {
            let variable = parameter
                .variable
                .map(|variable| ("postgres://bob@db/app".to_owned(), vec![(variable, value.to_owned())]));
            std::iter::once((url(value), Vec::new())).chain(variable).collect::<Vec<_>>()
        };
        let read_form = |(url, variables): &(String, Vec<(&str, String)>)| {
            let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
            read_in(url, &variables).map(|address| servers(&address) + &mode(&address))
        };
        let plain = servers(&read("postgres://db/app")) + &mode(&read("postgres://db/app"));
        match parameter.treatment {
            Treatment::Read => {
                assert!(HONOURED.split_whitespace().any(|honoured| honoured == name), "{name}")
            }
            Treatment::Harmless(why) => {
                assert!(!why.is_empty());
                for form in forms("s3cret") {
                    assert_eq!(read_form(&form).expect(name), plain, "{name}");
                }
            }
            Treatment::Only(values, _) => {
                for form in values.iter().flat_map(|value| forms(value)) {
                    assert_eq!(read_form(&form).expect(name), plain, "{name}");
                }
                refused(&url("s3cret"), &[], &[&format!("parameter {name} of the Postgres URL")]);
                if let Some(variable) = parameter.variable {
                    refused(
                        "postgres://db/app",
                        &[(variable, "s3cret")],
                        &[&format!("variable {variable} ")],
                    );
                }
            }
            Treatment::Refused(remedy) => {
                refused(&url("s3cret"), &[], &[&format!("parameter {name} of the Postgres URL"), remedy]);
                if let Some(variable) = parameter.variable {
                    refused(
                        "postgres://db/app",
                        &[(variable, "s3cret")],
                        &[&format!("variable {variable} "), remedy],
                    );
                }
            }
        }
    }
}

/// The parameters that a test below looks at.
const HONOURED: &str = "service servicefile user password passfile host hostaddr port dbname options application_name \
     fallback_application_name connect_timeout target_session_attrs load_balance_hosts sslmode requiressl sslrootcert \
     sslcert sslkey sslcertmode";
