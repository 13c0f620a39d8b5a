//! Reads a URL as libpq does: `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?PARAMETER=VALUE`.
//!
//! The crate `url` reads no list of hosts.
//!
//! No message quotes a part of the URL, because each may hold a piece of a password that was not encoded.

use crate::error::Error;

/// A name and a value, in the order of the URL; a later one replaces an earlier one.
pub(super) type UrlPair = (String, String);

pub(super) fn unreadable(why: &str) -> Error {
    Error::config(format!(
        "the Postgres URL cannot be read: {why}; its form is postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    ))
}

const ENCODE: &str = "percent-encode the special characters of user and password";

/// The pairs that the URL consists of.
pub(super) fn pairs(url: &str) -> Result<Vec<UrlPair>, Error> {
    let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) else {
        return Err(unreadable("it does not begin with postgres://"));
    };
    let (authority, rest) = split_authority(rest)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut pairs = Vec::new();
    let servers = match authority.rsplit_once('@') {
        Some((credentials, servers)) => {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            push(&mut pairs, "user", decode(user)?);
            push(&mut pairs, "password", decode(password)?);
            servers
        }
        None => authority,
    };
    let (hosts, ports) = servers_of(servers, path.contains('@'))?;
    push(&mut pairs, "host", hosts);
    push(&mut pairs, "port", ports);
    push(&mut pairs, "dbname", decode(path.trim_start_matches('/'))?);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| unreadable("a parameter has no value"))?;
        pairs.push((decode(name)?, decode(value)?));
    }
    Ok(pairs)
}

fn push(pairs: &mut Vec<UrlPair>, name: &str, value: String) {
    if !value.is_empty() {
        pairs.push((name.to_owned(), value));
    }
}

/// Splits before the path or the query.
fn split_authority(rest: &str) -> Result<(&str, &str), Error> {
    let head = &rest[..rest.find('/').unwrap_or(rest.len())];
    // The ? may belong to a password, or the @ to a parameter.
    if head.find('?').is_some_and(|question| head[question..].contains('@')) {
        return Err(unreadable(
            "it has a ? before an @; write ? as %3F in a password, and @ as %40 in a parameter",
        ));
    }
    Ok(rest.split_at(head.find('?').unwrap_or(head.len())))
}

/// The hosts and the ports, each as a list with commas. As in libpq, several hosts without ports have the default port, and
/// a single one has the environment's.
fn servers_of(servers: &str, at_follows: bool) -> Result<(String, String), Error> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for server in servers.split(',') {
        let (host, port) = match server.strip_prefix('[') {
            Some(address) => {
                let (address, port) =
                    address.split_once(']').ok_or_else(|| unreadable("an IPv6 address has no ]"))?;
                let port = match port.strip_prefix(':') {
                    Some(port) => port,
                    None if port.is_empty() => "",
                    None => return Err(unreadable("after the ] of an IPv6 address comes no port")),
                };
                (address, port)
            }
            None => server.split_once(':').unwrap_or((server, "")),
        };
        if port.contains(':') {
            return Err(unreadable(
                "an IPv6 address needs brackets, as in [::1]; or a password has an @ or / in it",
            ));
        }
        if !port.is_empty() && port.parse::<u16>().is_err() {
            let why = if at_follows { ENCODE } else { "a port is no number from 1 to 65535" };
            return Err(unreadable(why));
        }
        hosts.push(decode(host)?);
        ports.push(port);
    }
    Ok((hosts.join(","), ports.join(",")))
}

/// Replaces `%XX`. As in libpq, `+` is no space.
fn decode(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { byte_of(rest.next(), rest.next())? } else { byte });
    }
    String::from_utf8(bytes).map_err(|_| unreadable("a percent-encoded text is no UTF-8"))
}

fn byte_of(high: Option<u8>, low: Option<u8>) -> Result<u8, Error> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    let byte = digit(high).zip(digit(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
    byte.filter(|byte| *byte != 0)
        .ok_or_else(|| unreadable("after a % come no two hexadecimal digits, or two zeros; write % as %25"))
}

/// Encodes a text for a URL of the driver.
pub(super) fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
