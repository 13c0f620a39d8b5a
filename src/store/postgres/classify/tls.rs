//! TLS that fails: its messages. Those of rustls and of the driver may name the host or a file, so they are not passed on.

/// Another remedy for a certificate of X.509 version 1.
pub(super) const OR_PREFER: &str =
    ", or on a network that you control use sslmode=prefer, which then goes without TLS";

pub(super) fn is_version_1(rustls: &str) -> bool {
    rustls.contains("UnsupportedCertVersion")
}

/// Why TLS failed, by the message of rustls. That message may name the host, so it is not passed on.
pub(super) fn refused_certificate(rustls: &str) -> &'static str {
    if rustls.contains("UnknownIssuer") {
        "the server's certificate is signed by an unknown CA; name the CA's certificate in the URL with sslrootcert"
    } else if rustls.contains("not valid for name") {
        "the server's certificate is for another host name than the URL's; use its name in the URL, or issue a \
         certificate for the name in the URL"
    } else if ["expired", "Expired", "not valid yet", "NotValidYet"]
        .iter()
        .any(|words| rustls.contains(words))
    {
        "the server's certificate is not valid at this time; renew it, or correct the clock"
    } else if is_version_1(rustls) {
        "the server's certificate is of X.509 version 1, which the driver's TLS (rustls) does not take; issue one of version \
         3, with a subjectAltName"
    } else if rustls.contains("CaUsedAsEndEntity") {
        "the server uses the certificate of a CA; have the CA sign one for the server"
    } else {
        "TLS failed; check the server's certificate and its log"
    }
}

/// Why TLS was not tried, by the message of the driver. That message may name a file, so it is not passed on.
pub(super) fn no_tls(driver: &str) -> &'static str {
    if driver.contains("does not support TLS") {
        "the server offers no TLS, and the URL's sslmode requires it; turn it on at the server"
    } else {
        "TLS cannot be set up; check the URL's host name, and its sslrootcert, sslcert and sslkey"
    }
}
