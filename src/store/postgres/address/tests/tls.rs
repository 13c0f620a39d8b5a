//! `sslmode` and certificates.

use sqlx::postgres::PgSslMode;

use super::*;

#[test]
fn sslmode_has_six_values_in_the_url_and_in_the_environment() {
    for (value, expected) in [
        ("disable", "Disable"),
        ("allow", "Allow"),
        ("prefer", "Prefer"),
        ("require", "Require"),
        ("verify-ca", "VerifyCa"),
        ("verify-full", "VerifyFull"),
    ] {
        assert_eq!(mode(&read(&format!("postgres://db/app?sslmode={value}"))), expected);
        assert_eq!(mode(&read(&format!("postgres://db/app?%73slmode={value}"))), expected);
        let by_variable = read_in("postgres://db/app", &[("PGSSLMODE", value)]).expect(value);
        assert_eq!(mode(&by_variable), expected);
    }
    for value in ["verify_full", "REQUIRE", "", "on", "1", " require", "s3cret"] {
        refused("postgres://db/app", &[("PGSSLMODE", value)], &["variable PGSSLMODE", "verify-full"]);
        let encoded = value.replace(' ', "%20");
        refused(&format!("postgres://db/app?sslmode={encoded}"), &[], &["parameter sslmode", "verify-full"]);
    }
    // The URL comes first.
    let both = read_in("postgres://db/app?sslmode=disable", &[("PGSSLMODE", "verify-full")]).expect("good");
    assert_eq!(mode(&both), "Disable");
    assert_eq!(mode(&read("postgres://db/app?ssl=true")), "Require");
    assert_eq!(mode(&read_in("postgres://db/app", &[("PGREQUIRESSL", "1")]).expect("good")), "Require");
    assert_eq!(mode(&read_in("postgres://db/app", &[("PGREQUIRESSL", "0")]).expect("good")), "Prefer");
    assert_eq!(mode(&read("postgres://db/app")), "Prefer");
}

#[test]
fn a_root_certificate_decides_about_require_and_system_about_all() {
    assert_eq!(mode(&read("postgres://db/app?sslmode=require&sslrootcert=/ca.crt")), "VerifyCa");
    let by_variable = read_in("postgres://db/app?sslmode=require", &[("PGSSLROOTCERT", "/ca.crt")]);
    assert_eq!(mode(&by_variable.expect("good")), "VerifyCa");
    assert_eq!(mode(&read("postgres://db/app?sslrootcert=/ca.crt")), "Prefer");
    assert_eq!(mode(&read("postgres://db/app?sslrootcert=system")), "VerifyFull");
    assert_eq!(mode(&read("postgres://db/app?sslrootcert=system&sslmode=verify-full")), "VerifyFull");
    for weak in ["disable", "allow", "prefer", "require", "verify-ca"] {
        refused(
            &format!("postgres://db/app?sslrootcert=system&sslmode={weak}"),
            &[],
            &["sslrootcert=system", "verify-full"],
        );
        let variables = [("PGSSLROOTCERT", "system"), ("PGSSLMODE", weak)];
        refused("postgres://db/app", &variables, &["sslrootcert=system", "verify-full"]);
    }
}

#[test]
fn a_client_certificate_needs_its_key() {
    read("postgres://db/app?sslmode=require&sslcert=/c.crt&sslkey=/c.key");
    for half in ["sslcert=/c.crt", "sslkey=/c.key"] {
        refused(&format!("postgres://db/app?{half}"), &[], &["sslcert and sslkey", "give both"]);
        read(&format!("postgres://db/app?{half}&sslcertmode=disable"));
        read(&format!("postgres://db/app?{half}&sslmode=disable"));
    }
}

#[test]
fn by_a_socket_there_is_no_tls_as_in_libpq() {
    for (mode, tcp) in [
        (PgSslMode::Disable, 1),
        (PgSslMode::Allow, 2),
        (PgSslMode::Prefer, 2),
        (PgSslMode::Require, 1),
        (PgSslMode::VerifyCa, 1),
        (PgSslMode::VerifyFull, 1),
    ] {
        assert_eq!(attempts(mode, false).len(), tcp);
        assert!(matches!(*attempts(mode, true), [PgSslMode::Disable]));
    }
}

#[test]
fn a_certificate_of_the_environment_cannot_be_kept_back() {
    let url = "postgres://db/app?sslcertmode=disable";
    for variable in ["PGSSLCERT", "PGSSLKEY"] {
        refused(url, &[(variable, "/x")], &["sslcertmode", "unset them"]);
        assert!(read_in(url, &[(variable, "")]).is_ok(), "{variable}");
    }
}
