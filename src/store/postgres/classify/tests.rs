//! Every SQLSTATE has a class, and no message names a user, a host or a file.

use super::*;

fn all(sqlstates: &[&str], failure: Failure) {
    for sqlstate in sqlstates {
        assert_eq!(failure_of_sqlstate(sqlstate), failure, "{sqlstate}");
    }
}

#[test]
fn a_passing_failure_is_retried() {
    all(&["08000", "08006", "08P01", "57P01", "57P02", "57P03", "57P04", "57P05"], Failure::Retry);
    all(&["25006", "25P03", "40001", "40P01"], Failure::Retry);
    all(&["53100", "53200", "53300", "55P03", "58000", "58030", "58P01"], Failure::Retry);
}

#[test]
fn a_cancelled_statement_is_halved() {
    all(&["57014"], Failure::Halve);
}

#[test]
fn a_failure_of_one_row_or_of_all_is_for_other_rows_to_tell() {
    all(
        &["28000", "28P01", "3D000", "3F000", "26000", "42501", "42P01", "42703", "42804", "23505"],
        Failure::Reject,
    );
    all(&["0A000", "XX000", "XX001", "55000", "P0001", "99999", "", "5"], Failure::Reject);
}

#[test]
fn a_failure_of_one_row_is_quarantined() {
    all(&["22P05", "22P02", "22008", "22021", "23502", "23514"], Failure::Quarantine);
    all(&["54000", "54001"], Failure::Quarantine);
}

#[test]
fn a_broken_connection_is_retried() {
    let cut = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
    assert_eq!(StepError::sql(Step::Insert, cut).failure(), Failure::Retry);
    for step in [Step::Connect, Step::Create, Step::Insert] {
        assert_eq!(StepError::timed_out(step, Duration::from_secs(30)).failure(), Failure::Retry);
    }
}

#[test]
fn a_timeout_of_the_rows_is_halved() {
    let late = StepError::timed_out(Step::Rows, Duration::from_secs(30));
    assert_eq!(late.failure(), Failure::Halve);
    assert_eq!(late.to_string(), "cannot insert into Postgres: no answer within 30 s");
}

#[test]
fn a_message_that_names_the_host_or_a_file_is_not_passed_on() {
    let name = "invalid peer certificate: certificate not valid for name \"db.example.com\"";
    let rustls = sqlx::Error::Io(std::io::Error::new(ErrorKind::InvalidData, name));
    let driver = sqlx::Error::Tls("Invalid certificate file: /home/bob/ca.crt".into());
    for error in [rustls, driver] {
        let text = StepError::sql(Step::Connect, error).to_string();
        assert!(!text.contains("db.example.com") && !text.contains("bob"), "{text}");
    }
}

#[test]
fn an_expired_or_misused_certificate_has_a_remedy() {
    let message = |words| refused_certificate(&format!("invalid peer certificate: {words}"));
    assert!(message("certificate expired: verification time 2 (UNIX)").contains("renew it"));
    assert!(message("Expired").contains("renew it"));
    assert!(message("Other(OtherError(CaUsedAsEndEntity))").contains("have the CA sign one"));
    assert!(message("BadSignature").contains("TLS failed"));
}

#[test]
fn a_message_that_names_the_user_is_not_passed_on() {
    assert!(!may_quote(Step::Connect, "22023"));
    assert!(!may_quote(Step::Insert, "28P01"));
    assert!(!may_quote(Step::Insert, "08P01"));
    assert!(may_quote(Step::Insert, "22P05"));
}
