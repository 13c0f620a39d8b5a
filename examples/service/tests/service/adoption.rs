//! The service is adopted in few lines.

use std::fs;
use std::path::Path;

const MARK: &str = "// ledger";

fn text(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of code in `src`.
fn code() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = fs::read_dir(folder).expect("the folder is there");
    let lines = files.map(|file| text(file.expect("a file").path()));
    let lines: Vec<_> = lines.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.into_iter().filter(|line| !line.trim_start().starts_with("//")).collect()
}

#[test]
fn twelve_lines_of_code_are_enough() {
    let code = code();
    let marked = code.iter().filter(|line| line.ends_with(MARK)).count();
    assert!((1..=12).contains(&marked), "{marked} lines end in {MARK:?}");
}

#[test]
fn no_line_for_the_ledger_is_without_its_mark() {
    for line in code() {
        let names = ["ledger", "guard.", "rules", "ret("];
        assert!(line.ends_with(MARK) || !names.iter().any(|name| line.contains(name)), "{line}");
    }
}

#[test]
fn ten_lines_of_rules_are_enough() {
    let rules = text("rules.toml");
    let lines = rules.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    assert!((1..=10).contains(&lines), "{lines} lines");
}
