//! `pg_service.conf`: parameters under a name.

use std::path::{Path, PathBuf};

use super::Environment;
use super::url::UrlPair;
use crate::error::Error;

/// Where Debian's packages look without `PGSYSCONFDIR`. Other builds of libpq look elsewhere.
const SYSTEM_FOLDER: &str = "/etc/postgresql-common";

/// The pairs of the service, from the user's file or from the system's. `named` is the file that a parameter names.
pub(super) fn pairs(
    service: &str,
    named: Option<&str>,
    environment: &Environment<'_>,
) -> Result<Vec<UrlPair>, Error> {
    let user = match named {
        Some(path) => Some(PathBuf::from(path)),
        None => environment.in_home(".pg_service.conf"),
    };
    let system = environment.path("PGSYSCONFDIR").unwrap_or_else(|| SYSTEM_FOLDER.into());
    for path in user.into_iter().chain([system.join("pg_service.conf")]) {
        if let Some(text) = read(&path, named.is_some_and(|named| Path::new(named) == path))?
            && let Some(pairs) = section(&text, service)?
        {
            return Ok(pairs);
        }
    }
    Err(Error::config(
        "the service of the Postgres URL or of PGSERVICE is in no service file; add it to ~/.pg_service.conf, to the file \
         that PGSERVICEFILE names, or to pg_service.conf in the directory that PGSYSCONFDIR names",
    ))
}

fn read(path: &Path, named: bool) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Ok(None),
        Err(error) => {
            let message = "a service file cannot be read; check the file that PGSERVICEFILE names, or ~/.pg_service.conf";
            Err(Error::config(message).caused_by(error))
        }
    }
}

/// The pairs below `[service]`.
fn section(text: &str, service: &str) -> Result<Option<Vec<UrlPair>>, Error> {
    let mut found: Option<Vec<UrlPair>> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            if found.is_some() {
                break;
            }
            found = (name == service).then(Vec::new);
        } else if let Some(pairs) = &mut found {
            pairs.push(pair(line)?);
        }
    }
    Ok(found)
}

fn pair(line: &str) -> Result<UrlPair, Error> {
    if line.starts_with("ldap") {
        return Err(Error::config(
            "the service file refers to LDAP, which is not read here; write the parameters out",
        ));
    }
    match line.split_once('=') {
        Some((name, _)) if name.trim() == "service" => Err(Error::config(
            "a service in the service file names another service; write the parameters out",
        )),
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => {
            Err(Error::config("a line of the service file is not of the form PARAMETER=VALUE; correct it"))
        }
    }
}
