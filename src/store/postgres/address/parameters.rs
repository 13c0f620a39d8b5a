//! The parameters of libpq and what happens to each: the lists "Parameter Key Words" and "Environment Variables" of the
//! manuals of PostgreSQL 15 to 18.

use self::Treatment::{Harmless, Only, Read, Refused};

/// A parameter of libpq, by its name in a URL and by its environment variable.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) variable: Option<&'static str>,
    pub(super) treatment: Treatment,
}

/// The treatment of a parameter.
#[derive(Clone, Copy)]
pub(super) enum Treatment {
    /// It means here what it means in libpq.
    Read,
    /// It changes nothing for this client, for this reason.
    Harmless(#[cfg_attr(not(test), expect(dead_code, reason = "for readers"))] &'static str),
    /// These values ask for what this client does anyway. Others are refused with the remedy.
    Only(&'static [&'static str], &'static str),
    /// No value can be honoured. It is refused with the remedy.
    Refused(&'static str),
}

const fn parameter(name: &'static str, variable: &'static str, treatment: Treatment) -> Parameter {
    Parameter { name, variable: Some(variable), treatment }
}

const fn without_variable(name: &'static str, treatment: Treatment) -> Parameter {
    Parameter { name, variable: None, treatment }
}

const TIMEOUTS: Treatment =
    Harmless("every wait has a timeout, so a dead connection is given up without keepalives");
const NO_GSS: Treatment = Harmless("the driver has no GSSAPI, and nothing but GSSAPI reads it");
const NO_OAUTH: Treatment = Refused("the driver has no OAuth login; use a password or a client certificate");
const NO_SCRAM_KEY: Treatment = Refused("the driver takes no SCRAM keys; use a password");
const OFF: &[&str] = &["0", "false", "off", "no"];

pub(super) const PARAMETERS: &[Parameter] = &[
    parameter("service", "PGSERVICE", Read),
    parameter("servicefile", "PGSERVICEFILE", Read),
    parameter("user", "PGUSER", Read),
    parameter("password", "PGPASSWORD", Read),
    parameter("passfile", "PGPASSFILE", Read),
    parameter("host", "PGHOST", Read),
    parameter("hostaddr", "PGHOSTADDR", Read),
    parameter("port", "PGPORT", Read),
    parameter("dbname", "PGDATABASE", Read),
    parameter("options", "PGOPTIONS", Read),
    parameter("application_name", "PGAPPNAME", Read),
    without_variable("fallback_application_name", Read),
    parameter("connect_timeout", "PGCONNECT_TIMEOUT", Read),
    parameter("target_session_attrs", "PGTARGETSESSIONATTRS", Read),
    parameter("load_balance_hosts", "PGLOADBALANCEHOSTS", Read),
    parameter("sslmode", "PGSSLMODE", Read),
    parameter("requiressl", "PGREQUIRESSL", Read),
    parameter("sslrootcert", "PGSSLROOTCERT", Read),
    parameter("sslcert", "PGSSLCERT", Read),
    parameter("sslkey", "PGSSLKEY", Read),
    parameter(
        "sslcertmode",
        "PGSSLCERTMODE",
        Only(
            &["allow", "disable"],
            "the driver sends a client certificate if the server asks for one; use allow or disable",
        ),
    ),
    without_variable(
        "sslpassword",
        Refused("the driver reads no encrypted key; decrypt it with openssl pkey, and protect the file"),
    ),
    parameter(
        "sslcrl",
        "PGSSLCRL",
        Refused("the driver checks no revocation list; leave it out, or replace the CA"),
    ),
    parameter(
        "sslcrldir",
        "PGSSLCRLDIR",
        Refused("the driver checks no revocation list; leave it out, or replace the CA"),
    ),
    parameter("sslcompression", "PGSSLCOMPRESSION", Harmless("TLS is never compressed")),
    parameter("sslsni", "PGSSLSNI", Only(&["1"], "the driver always sends the host name; leave it out")),
    parameter(
        "sslnegotiation",
        "PGSSLNEGOTIATION",
        Only(&["postgres"], "the driver asks the server for TLS first; use sslnegotiation=postgres"),
    ),
    parameter(
        "ssl_min_protocol_version",
        "PGSSLMINPROTOCOLVERSION",
        Only(
            &["TLSv1", "TLSv1.1", "TLSv1.2"],
            "the driver takes TLS 1.2 and 1.3; set ssl_min_protocol_version at the server",
        ),
    ),
    parameter(
        "ssl_max_protocol_version",
        "PGSSLMAXPROTOCOLVERSION",
        Only(&["TLSv1.3"], "the driver takes TLS 1.2 and 1.3; set ssl_max_protocol_version at the server"),
    ),
    parameter(
        "channel_binding",
        "PGCHANNELBINDING",
        Only(
            &["prefer", "disable"],
            "the driver has no channel binding; leave it out, and use sslmode=verify-full",
        ),
    ),
    parameter(
        "require_auth",
        "PGREQUIREAUTH",
        Refused(
            "the driver answers each login method that the server asks for; leave it out, and use sslmode=verify-full",
        ),
    ),
    parameter(
        "requirepeer",
        "PGREQUIREPEER",
        Refused(
            "the driver does not ask who owns a socket; leave it out, and let only the server write to the socket's directory",
        ),
    ),
    parameter(
        "gssencmode",
        "PGGSSENCMODE",
        Only(&["disable", "prefer"], "the driver has no GSSAPI encryption; use TLS"),
    ),
    parameter("krbsrvname", "PGKRBSRVNAME", NO_GSS),
    parameter("gsslib", "PGGSSLIB", NO_GSS),
    parameter("gssdelegation", "PGGSSDELEGATION", NO_GSS),
    parameter(
        "client_encoding",
        "PGCLIENTENCODING",
        Harmless("rows are always sent as UTF-8, and the server knows it"),
    ),
    without_variable("keepalives", TIMEOUTS),
    without_variable("keepalives_idle", TIMEOUTS),
    without_variable("keepalives_interval", TIMEOUTS),
    without_variable("keepalives_count", TIMEOUTS),
    without_variable("tcp_user_timeout", TIMEOUTS),
    without_variable("replication", Only(OFF, "a connection for replication takes no rows; leave it out")),
    parameter(
        "min_protocol_version",
        "PGMINPROTOCOLVERSION",
        Only(&["3.0"], "the driver speaks version 3.0 of the protocol; leave it out"),
    ),
    parameter(
        "max_protocol_version",
        "PGMAXPROTOCOLVERSION",
        Harmless("the driver speaks the lowest version, 3.0"),
    ),
    without_variable(
        "sslkeylogfile",
        Refused("the driver does not write down the keys of TLS; leave it out"),
    ),
    without_variable("scram_client_key", NO_SCRAM_KEY),
    without_variable("scram_server_key", NO_SCRAM_KEY),
    without_variable("oauth_issuer", NO_OAUTH),
    without_variable("oauth_client_id", NO_OAUTH),
    without_variable("oauth_client_secret", NO_OAUTH),
    without_variable("oauth_scope", NO_OAUTH),
    // Not of libpq, but of clients that are given the same URL.
    without_variable("pgbouncer", Harmless("the store works behind pgbouncer in any case")),
    without_variable("connection_limit", Harmless("there is one connection")),
    without_variable("pool_timeout", Harmless("there is no pool")),
    without_variable("statement_cache_size", Harmless("no statement has a name")),
    without_variable("statement-cache-capacity", Harmless("no statement has a name")),
    without_variable(
        "schema",
        Refused("name the schema with options=-csearch_path%3DNAME, or in the role's search_path"),
    ),
    without_variable(
        "search_path",
        Refused("name the schema with options=-csearch_path%3DNAME, or in the role's search_path"),
    ),
];

/// The variables that are no parameter.
#[cfg(test)]
pub(super) const VARIABLES: &[(&str, Treatment)] = &[
    ("PGSYSCONFDIR", Read),
    ("PGDATESTYLE", Harmless("times are sent in ISO 8601, and the server knows it")),
    ("PGTZ", Harmless("times are sent in UTC, and the server knows it")),
    ("PGGEQO", Harmless("an INSERT of rows has nothing to plan")),
    ("PGLOCALEDIR", Harmless("messages are not translated")),
];

/// The names that the driver accepts, or Java's, for a parameter of libpq.
const ALIASES: &[(&str, &str)] = &[
    ("ssl-mode", "sslmode"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("ssl-cert", "sslcert"),
    ("ssl-key", "sslkey"),
];

pub(super) fn find(name: &str) -> Option<&'static Parameter> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let name = alias.map_or(name, |(_, name)| *name);
    PARAMETERS.iter().find(|parameter| parameter.name == name)
}

/// The parameter whose name is most like this one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let near = PARAMETERS.iter().map(|known| (strsim::levenshtein(&name, known.name), known.name));
    near.min().filter(|(distance, known)| *distance <= known.len() / 3).map(|(_, known)| known)
}
