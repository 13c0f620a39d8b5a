//! `tracing-ledger doctor`: its arguments, the environment, and the status with which it ends.

use std::process::{Command, Output};

use super::*;

fn doctor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.arg("doctor").args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    doctor(arguments).output().expect("it starts")
}

/// As for a program that reads the environment.
#[test]
fn wrong_rules_and_variables_are_findings_and_the_database_is_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = Cluster::shared().database();
    let rules = |text: &str| {
        let path = folder.path().join("rules.toml");
        std::fs::write(&path, text).expect("a file is written");
        path
    };
    let doctor = |rules: Option<&std::path::Path>, variable: Option<&str>| {
        let mut command = doctor(&["--database-url", &url]);
        if let Some(rules) = rules {
            command.arg("--rules").arg(rules);
        }
        command.env_remove("NO_SUCH_VERSION").envs(variable.map(|name| (name, "1")));
        let output = command.output().expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(said.contains("ok    rights"), "{said}");
        let wrong: Vec<_> = said.lines().filter(|line| line.starts_with("WRONG ")).collect();
        let [wrong] = wrong[..] else { panic!("{said}") };
        wrong.to_owned()
    };
    let wrong = doctor(Some(&rules("[[rule]]\nspan = 'c'\nredat = ['a']\n")), None);
    assert!(wrong.starts_with("WRONG rules ") && wrong.contains("did you mean \"redact\"?"), "{wrong}");
    let wrong = doctor(Some(&rules("builtin = true\n[all]\nset = { v = '$NO_SUCH_VERSION' }\n")), None);
    assert!(wrong.starts_with("WRONG rules ") && wrong.contains("NO_SUCH_VERSION"), "{wrong}");
    let wrong = doctor(None, Some("TRACING_LEDGER_RULEZ"));
    assert!(wrong.starts_with("WRONG environment TRACING_LEDGER_RULEZ is no variable"), "{wrong}");
}

#[test]
fn the_exit_status_is_that_of_the_worst_finding() {
    let url = Cluster::shared().database();
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let well = run(&["--database-url", &url, "--write"]);
    assert_eq!(well.status.code(), Some(0), "{}", said(&well));
    assert!(said(&well).lines().all(|line| line.starts_with("ok ")), "{}", said(&well));
    let wrong = run(&["--database-url", &url, "--table", "calls"]);
    assert_eq!(wrong.status.code(), Some(1), "{}", said(&wrong));
    assert!(said(&wrong).contains("WRONG table"), "{}", said(&wrong));
    let port = ClosedPort::new();
    let away = format!("postgres://someone:s3cret@127.0.0.1:{}/app", port.number());
    let unknown = run(&["--database-url", &away]);
    assert_eq!(unknown.status.code(), Some(2), "{}", said(&unknown));
    let nothing = run(&["--database-url", &url, "--rules", "no-such-file.toml"]);
    assert_eq!(nothing.status.code(), Some(2), "rules that cannot be read");
    assert!(
        said(&nothing).starts_with("?     rules") && said(&nothing).contains("ok    rights"),
        "{}",
        said(&nothing)
    );
}

#[test]
fn a_name_in_quotation_marks_is_refused() {
    let of_table = |name: &str| run(&["--database-url", &Cluster::shared().database(), "--table", name]);
    let quoted = of_table("\"observability_events\"");
    let said = String::from_utf8_lossy(&quoted.stderr);
    assert_eq!(quoted.status.code(), Some(2), "{said}");
    assert!(said.contains("without quotation marks around it"), "{said}");
    let spaced = String::from_utf8_lossy(&of_table("the calls").stdout).into_owned();
    assert!(spaced.contains("tracing-ledger schema --table 'the calls'"), "{spaced}");
}
