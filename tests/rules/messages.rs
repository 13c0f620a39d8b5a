//! The message about a mistake in the rules has the file, the line, the key and the remedy.

mod contradictions;
mod keys;

use std::{fs, io};

use tracing_ledger::{Error, Rule, Rules};

/// The message about rules that have a mistake.
fn refused(rules: Result<Rules, Error>) -> String {
    match rules {
        Ok(rules) => format!("accepted as {rules:?}"),
        Err(error) => {
            assert!(error.is_config());
            format!("{error:#}")
        }
    }
}

/// Each file (`|` ends a line) with its message without the `rules:` in front.
fn assert_messages(table: &[(&str, &str)]) {
    for (file, expected) in table {
        assert_eq!(refused(file.replace('|', "\n").parse()), format!("rules:{expected}"), "{file}");
    }
}

#[test]
fn text_that_is_not_toml_is_refused() {
    assert_messages(&[
        (
            "[[rule]]|span = request",
            "2: not valid TOML (string values must be quoted, expected literal string): correct what stands there",
        ),
        (
            r#"[[rule]]|span = "request"|span = "other""#,
            "3: not valid TOML (duplicate key): correct what stands there",
        ),
        (
            r#"[[rule]|span = "request""#,
            "1: not valid TOML (unclosed array table, expected `]`): correct what stands there",
        ),
        ("# nothing yet", "1: no rules: add a [[rule]], or builtin = true for the built-in ones"),
        ("rule = []", "1: no rules: add a [[rule]], or builtin = true for the built-in ones"),
    ]);
}

#[test]
fn unknown_keys_are_refused() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|durration = "ms""#,
            r#"3: unknown key "durration" in [[rule]]: did you mean "duration"?"#,
        ),
        (
            r#"[[rule]]|span = "a"|zzz = 1"#,
            r#"3: unknown key "zzz" in [[rule]]: use one of span, event, target, level, fields, event_type, source, severity, duration, success, reason, reason_code, reason_category, exception, outcome, error, result, rename, set, nest, take, times, inherit, inherit_from, number_within, collect, or_null, redact, report_by, silent"#,
        ),
        (r#"[[rules]]|span = "a""#, r#"1: unknown key "rules" at the top level: did you mean "rule"?"#),
        (r#"span = "a""#, r#"1: unknown key "span" at the top level: it belongs below a [[rule]]"#),
        (
            r#"[[rule]]|span = "a"||builtin = true"#,
            r#"4: unknown key "builtin" in [[rule]]: it belongs at the top of the file, before the first [[…]]"#,
        ),
        (
            r#"[[rule]]|span = "a"|[rule.success]|field = "status"|belw = 500"#,
            r#"5: unknown key "belw" in "success": did you mean "below"?"#,
        ),
        (
            r#"[[rule]]|span = "a"|severity = { feild = "x" }"#,
            r#"3: unknown key "feild" in "severity": did you mean "field"?"#,
        ),
        (
            r#"[[rule]]|span = "a"|reason = { from = "x" }"#,
            r#"3: unknown key "from" in "reason": use one of field, as"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { s = { as = "t", key = {} } }"#,
            r#"3: unknown key "key" in "nest.s": did you mean "keys"?"#,
        ),
        (
            r#"[[rule]]|span = "a"|event_type = { feild = "x" }"#,
            r#"3: unknown key "feild" in "event_type": did you mean "field"?"#,
        ),
        (
            r#"[[rule]]|span = "a"|take = [{ target = "t", fields = "f" }, { target = "t", field = "f" }]"#,
            r#"3: unknown key "field" in "take": did you mean "fields"?"#,
        ),
        (
            r#"[[reason_codes]]|category = "a"|code = ["b"]"#,
            r#"3: unknown key "code" in [[reason_codes]]: did you mean "codes"?"#,
        ),
    ]);
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    assert_messages(&[
        (r#"builtin = "yes""#, r#"1: "builtin" is a string: use true or false"#),
        (r#"[rule]|span = "a""#, r#"1: "rule" is a table: write [[rule]] above each"#),
        ("rule = [1]", r#"1: "rule" is an integer: write [[rule]] above each"#),
        ("[[rule]]|span = 1", r#"2: "span" is an integer: give a string or a list of strings"#),
        (r#"[[rule]]|span = [|"a",|2,|]"#, r#"4: "span" is an integer: give a string or a list of strings"#),
        (r#"[[rule]]|span = "a"|event_type = ["b"]"#, r#"3: "event_type" is a list: give a string"#),
        (
            r#"[[rule]]|span = "a"|duration = true"#,
            r#"3: "duration" is true: give the key as a string, or false to leave it out"#,
        ),
        (
            r#"[[rule]]|span = "a"|duration = 5"#,
            r#"3: "duration" is an integer: give the key as a string, or false to leave it out"#,
        ),
        (r#"[[rule]]|span = "a"|rename = "b""#, r#"3: "rename" is a string: give a table, { KEY = … }"#),
        (
            r#"[[rule]]|span = "a"|[rule.rename]|b = "c"|d = 1979-05-27"#,
            r#"5: "rename.d" is a date or time: give a string"#,
        ),
        (
            r#"[[rule]]|span = "a"|success = { field = "s", below = "500" }"#,
            r#"3: "success.below" is a string: give a number"#,
        ),
        (
            r#"[[rule]]|span = "a"|success = { field = "s", below = nan }"#,
            r#"3: "success" has no finite number to compare with: give one"#,
        ),
        (
            r#"[[rule]]|span = "a"|success = { field = "s", equals = [1] }"#,
            r#"3: "success" can equal a boolean, a number or a string only: give one of these"#,
        ),
        (
            r#"[[rule]]|span = "a"|set = { b = inf }"#,
            r#"3: "set.b" is a number that JSON cannot hold: use a finite one of at most 64 bits"#,
        ),
        (
            r#"[[rule]]|span = "a"|set = { b = 99999999999999999999 }"#,
            r#"3: "set.b" is a number that JSON cannot hold: use a finite one of at most 64 bits"#,
        ),
        (
            r#"[[rule]]|span = "a"|level = 3"#,
            r#"3: "level" is an integer: use one of error, warn, info, debug, trace"#,
        ),
    ]);
}

#[test]
fn unknown_words_are_refused_with_the_known_ones() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|severity = "warn""#,
            r#"3: "severity" is "warn": use one of info, warning, error, critical"#,
        ),
        (
            r#"[[rule]]|span = "a"|severity = { field = "f", map = { fatal = "bad" } }"#,
            r#"3: "severity.map.fatal" is "bad": use one of info, warning, error, critical"#,
        ),
        (
            r#"[[rule]]|span = "a"|severity = { map = { fatal = "critical" } }"#,
            r#"3: "severity" has no "field": say which field it is read from"#,
        ),
        (
            r#"[[rule]]|span = "a"|level = "warning""#,
            r#"3: "level" is "warning": use one of error, warn, info, debug, trace"#,
        ),
        (
            r#"[[rule]]|span = "a"|silent = "fine""#,
            r#"3: "silent" is "fine": use one of ok, cancelled, unknown"#,
        ),
        (
            r#"[[rule]]|span = "a"|collect = { n = "average a" }"#,
            r#"3: "collect.n" is "average a": use "count EVENT_TYPE" or "total EVENT_TYPE""#,
        ),
        (
            r#"[[rule]]|span = "a"|collect = { n = "count" }"#,
            r#"3: "collect.n" is "count": use "count EVENT_TYPE" or "total EVENT_TYPE""#,
        ),
    ]);
}

#[test]
fn a_file_is_named_by_its_path() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("rules.toml");
    // Lines end as on Windows, and the first is not ASCII.
    fs::write(&path, "# größer\r\n[[rule]]\r\nspan = \"a\"\r\nevnt = \"b\"\r\n")?;

    let expected = format!("{}:4: unknown key \"evnt\" in [[rule]]: did you mean \"event\"?", path.display());
    assert_eq!(refused(Rules::from_path(&path)), expected);
    Ok(())
}

#[test]
fn a_file_that_cannot_be_read_is_reported() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("absent.toml");
    let expected = format!(
        "{}: the rules cannot be read: check the path, its rights and that it is UTF-8 text: \
         No such file or directory (os error 2)",
        path.display()
    );
    assert_eq!(refused(Rules::from_path(&path)), expected);

    fs::write(&path, b"# gr\xf6\xdfer\n")?;
    let expected = format!(
        "{}: the rules cannot be read: check the path, its rights and that it is UTF-8 text: \
         stream did not contain valid UTF-8",
        path.display()
    );
    assert_eq!(refused(Rules::from_path(&path)), expected);
    Ok(())
}

#[test]
fn rules_made_in_rust_are_named_by_their_place() {
    let fine = || Rule::span("request");
    for (rule, expected) in [
        (Rule::span(""), r#"(span ""): empty name in "span": write a name"#),
        (
            Rule::event("a").duration("ms"),
            r#"(event "a"): "duration" in a rule for an "event", which has no duration and no outcome: take it out, or name a "span""#,
        ),
        (
            fine().success_below("status", f64::NAN),
            r#"(span "request"): "success" has no finite number to compare with: give one"#,
        ),
        (
            fine().rename("a", "b").rename("a", "c"),
            r#"(span "request"): "rename" names "a" twice: a field is renamed once"#,
        ),
        (
            fine().set("a", 1).set("a", 2),
            r#"(span "request"): "set" writes the key "a" twice: use another key for one"#,
        ),
        (
            fine().collect_total("ms", "requst"),
            r#"(span "request"): "collect" names "requst", an event type that no rule makes: did you mean "request"?"#,
        ),
    ] {
        let message = refused(Rules::from_rules([fine(), rule]));
        assert_eq!(message, format!("rules: rule 2 {expected}"));
    }
}
