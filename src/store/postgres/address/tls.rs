//! `sslmode` and the certificates.

use std::path::Path;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::{Environment, Settings};
use crate::error::Error;

const WORDS: [(&str, PgSslMode); 6] = [
    ("disable", PgSslMode::Disable),
    ("allow", PgSslMode::Allow),
    ("prefer", PgSslMode::Prefer),
    ("require", PgSslMode::Require),
    ("verify-ca", PgSslMode::VerifyCa),
    ("verify-full", PgSslMode::VerifyFull),
];

/// The certificates of the operating system, by the value of `sslrootcert`.
const SYSTEM: &str = "system";

/// The options with the mode and the certificates of the settings.
pub(super) fn with_tls(
    options: PgConnectOptions,
    settings: &Settings,
    environment: &Environment<'_>,
) -> Result<PgConnectOptions, Error> {
    let root =
        settings.value("sslrootcert").map(str::to_owned).or_else(|| environment.file_in_home("root.crt"));
    let mode = mode(settings, root.as_deref())?;
    if required(mode) && !cfg!(feature = "tls") {
        return Err(Error::config(
            "the sslmode of the Postgres URL requires TLS: build tracing-ledger with the feature tls",
        ));
    }
    let options = match root.as_deref() {
        // The driver would read a file of that name from `PGSSLROOTCERT`.
        None | Some(SYSTEM) => options.ssl_root_cert_from_pem(Vec::new()),
        Some(pem) if is_pem(pem) => options.ssl_root_cert_from_pem(pem.into()),
        Some(path) => options.ssl_root_cert(path),
    };
    let disabled = settings.get("sslcertmode").filter(|setting| setting.value == "disable");
    if let Some(setting) = disabled
        && ["PGSSLCERT", "PGSSLKEY"].iter().any(|variable| environment.path(variable).is_some())
    {
        return Err(Error::config(format!(
            "{} cannot be honoured while PGSSLCERT or PGSSLKEY is set, because the driver reads these: unset them",
            setting.named()
        )));
    }
    let sends_none = matches!(mode, PgSslMode::Disable) || disabled.is_some();
    let options = if sends_none { options } else { with_client_certificate(options, settings, environment)? };
    Ok(options.ssl_mode(mode))
}

fn mode(settings: &Settings, root: Option<&str>) -> Result<PgSslMode, Error> {
    let mode = match settings.raw("sslmode") {
        Some(setting) => Some(word(&setting.value).ok_or_else(|| {
            let modes = "use disable, allow, prefer, require, verify-ca or verify-full";
            Error::config(format!("{} has an unknown value: {modes}", setting.named()))
        })?),
        None => {
            settings.value("requiressl").filter(|value| value.starts_with('1')).map(|_| PgSslMode::Require)
        }
    };
    if root == Some(SYSTEM) {
        return match mode {
            None | Some(PgSslMode::VerifyFull) => Ok(PgSslMode::VerifyFull),
            Some(_) => Err(Error::config(
                "sslrootcert=system needs sslmode=verify-full, because anyone may get a certificate from a public CA: use \
                 sslmode=verify-full, or leave out sslmode",
            )),
        };
    }
    Ok(match mode.unwrap_or(PgSslMode::Prefer) {
        // As in libpq.
        PgSslMode::Require if root.is_some() => PgSslMode::VerifyCa,
        mode => mode,
    })
}

fn word(word: &str) -> Option<PgSslMode> {
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, mode)| *mode)
}

fn required(mode: PgSslMode) -> bool {
    matches!(mode, PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull)
}

fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN")
}

fn with_client_certificate(
    options: PgConnectOptions,
    settings: &Settings,
    environment: &Environment<'_>,
) -> Result<PgConnectOptions, Error> {
    let find = |name: &str, file: &str| {
        settings.value(name).map(str::to_owned).or_else(|| environment.file_in_home(file))
    };
    match (find("sslcert", "postgresql.crt"), find("sslkey", "postgresql.key")) {
        (None, None) => Ok(options),
        (Some(cert), Some(key)) => {
            let options = if is_pem(&cert) {
                options.ssl_client_cert_from_pem(cert)
            } else {
                options.ssl_client_cert(Path::new(&cert))
            };
            Ok(if is_pem(&key) { options.ssl_client_key_from_pem(key) } else { options.ssl_client_key(key) })
        }
        _ => Err(Error::config(
            "of sslcert and sslkey only one is given: give both, or keep the other in ~/.postgresql as postgresql.crt or \
             postgresql.key",
        )),
    }
}

/// The modes to try in turn. By a socket there is no TLS, as in libpq.
pub(in super::super) fn attempts(mode: PgSslMode, by_socket: bool) -> Vec<PgSslMode> {
    match mode {
        _ if by_socket => vec![PgSslMode::Disable],
        PgSslMode::Allow => vec![PgSslMode::Disable, PgSslMode::Require],
        PgSslMode::Prefer => vec![PgSslMode::Prefer, PgSslMode::Disable],
        mode => vec![mode],
    }
}

/// With `verify-ca` the driver takes the cryptography of the process. If the program was built with two and has chosen
/// none, rustls panics. If it was built with one, rustls installs that one. This does the same for both cases, at the
/// last moment, so that a program that chooses at its start keeps its choice.
pub(in super::super) fn choose_cryptography(mode: PgSslMode) {
    #[cfg(feature = "tls")]
    if matches!(mode, PgSslMode::VerifyCa) && rustls::crypto::CryptoProvider::get_default().is_none() {
        // It fails if another thread was faster, and then there is one.
        rustls::crypto::ring::default_provider().install_default().ok();
    }
    #[cfg(not(feature = "tls"))]
    let _ = mode;
}
