//! `tests/EVIDENCE.md` names only evidence that exists, and leaves out no fault and no mutation.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

const EVIDENCE: &str = include_str!("../EVIDENCE.md");
const FAULTS: &str = include_str!("../torture/faults/mod.rs");

/// What stands between backquotes in the tables of a page, where it is a name of this project: a path, a fault, a
/// mutation, a test.
fn names(page: &str) -> Vec<&str> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    quoted.filter(|name| name.contains(['_', '/']) || faults().contains(name)).collect()
}

fn faults() -> Vec<&'static str> {
    let after = |call| FAULTS.split(call).skip(1).filter_map(|rest| rest.split('"').next());
    ["fault(\"", "of_root(\"", "traced(\"", "long(\""].into_iter().flat_map(after).collect()
}

fn mutations() -> Vec<String> {
    let patches = fs::read_dir("tests/torture/mutations").expect("the folder is there");
    let paths = patches.map(|patch| patch.expect("it can be read").path());
    paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

/// Every line of code below that folder.
fn code(folder: &Path) -> String {
    let entries =
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("readable").path());
    entries.fold(String::new(), |code, path| {
        if path.is_dir() {
            code + &self::code(&path)
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code + &fs::read_to_string(path).expect("it is text")
        } else {
            code
        }
    })
}

/// The names of the functions that carry a test's attribute.
fn tests(code: &str) -> HashSet<&str> {
    let mut lines = code.lines().map(str::trim);
    let mut names = HashSet::new();
    while let Some(line) = lines.next() {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            let signature = lines.next().unwrap_or_default().trim_start_matches("async ");
            names.extend(signature.strip_prefix("fn ").and_then(|name| name.split('(').next()));
        }
    }
    names
}

#[test]
fn every_piece_of_evidence_is_there() {
    let code = code(Path::new("src")) + &code(Path::new("tests"));
    let (tests, faults, mutations) = (tests(&code), faults(), mutations());
    for name in names(EVIDENCE) {
        let is_there = Path::new(name).exists()
            || tests.contains(name)
            || faults.contains(&name)
            || mutations.iter().any(|mutation| mutation == name);
        assert!(
            is_there,
            "{name} is named as evidence, and is neither a file, a fault, a mutation nor a test"
        );
    }
}

#[test]
fn every_fault_and_mutation_is_named() {
    let named = names(EVIDENCE);
    assert!(faults().len() > 40, "they are found: {:?}", faults());
    for fault in faults() {
        assert!(named.contains(&fault), "the fault {fault} is not in tests/EVIDENCE.md");
    }
    for mutation in mutations() {
        assert!(named.contains(&&*mutation), "the mutation {mutation} is not in tests/EVIDENCE.md");
    }
}
