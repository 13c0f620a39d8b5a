//! `scripts/torture` refuses at once what it does not know, and says what it takes: it would pass with no fault at all.

use std::process::Command;

/// Its message about arguments that it refuses before anything is built.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = Command::new("scripts/torture")
        .args(arguments)
        // No program but those of the system: neither cargo nor a server is started.
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    said
}

#[test]
fn a_fault_that_does_not_exist_is_refused_with_those_that_do() {
    for fault in ["nosuch", "server_.*", "-v", ""] {
        let said = refused(&["--fault", "server_killed", "--fault", fault]);
        let expected =
            format!("scripts/torture: no fault has \"{fault}\" in its name; the faults are server_killed, ");
        assert!(said.starts_with(&expected) && said.contains("exit_while_locked"), "{said}");
    }
}

#[test]
fn an_option_that_is_not_a_number_is_refused() {
    for option in ["--minutes", "--seed", "--fuzz-seconds"] {
        for value in ["abc", "", "-1", "1.5", "08", "99999999999999999999"] {
            let said = refused(&["--fault", "rejected", option, value]);
            assert_eq!(said, format!("scripts/torture: {option} takes a whole number, not \"{value}\"\n"));
        }
    }
}
