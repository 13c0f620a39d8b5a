//! A test in a process of its own, for a global subscriber of its own.

use std::env;
use std::process::Command;

const ALONE: &str = "LEDGER_TEST_ALONE";

/// Runs this test again in a process of its own, and `test` there. `name` is the test's, with its module.
#[track_caller]
pub fn alone(name: &str, test: impl FnOnce()) {
    if env::var(ALONE).is_ok_and(|alone| alone == name) {
        return test();
    }
    let binary = env::current_exe().expect("the test knows its own binary");
    let run = Command::new(binary).args(["--exact", name]).env(ALONE, name).output().expect("it starts");
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{output}{}", String::from_utf8_lossy(&run.stderr));
    assert!(output.contains("1 passed"), "there is no test {name}");
}
