//! Tests that start themselves again, in a process of their own.

use std::env;
use std::process::Command;

const ALONE: &str = "LEDGER_TEST_ALONE";

/// This program once more, to run one test alone, whose output is not captured. `name` is the test's, with its module.
pub fn this_test(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("the test knows its own program"));
    command.args(["--exact", name, "--nocapture"]);
    command
}

/// Runs this test again in a process of its own, and `test` there. `name` is the test's, with its module.
#[track_caller]
pub fn alone(name: &str, test: impl FnOnce()) {
    if env::var(ALONE).is_ok_and(|alone| alone == name) {
        return test();
    }
    let run = this_test(name).env(ALONE, name).output().expect("it starts");
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{output}{}", String::from_utf8_lossy(&run.stderr));
    assert!(output.contains("1 passed"), "there is no test {name}");
}
