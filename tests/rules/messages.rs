//! The message about a mistake in the rules has the file, the line, the key and the remedy.

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
fn names_to_redact_that_name_no_field_or_a_field_that_is_judged() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|redact = "success""#,
            r#"3: "redact" names "success", which the success is read from after redaction: take it out, or read the success from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|redact = ["email", "*"]"#,
            r#"3: "redact" names "*", and with it "success", which the success is read from after redaction: take it out, or read the success from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|success = { field = "status", below = 500 }|redact = ["status"]"#,
            r#"4: "redact" names "status", which the success is read from after redaction: take it out, or read the success from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|reason = { field = "why", as = "because" }|redact = ["because"]"#,
            r#"4: "redact" names "because", which the reason is read from after redaction: take it out, or read the reason from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|result = "result"|redact = ["result"]"#,
            r#"4: "redact" names "result", which the result is read from after redaction: take it out, or read the result from another field"#,
        ),
        (
            r#"[[rule]]|event = "a"|severity = { field = "level" }|redact = ["level"]"#,
            r#"4: "redact" names "level", which the severity is read from after redaction: take it out, or read the severity from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|rename = { mail = "email" }|redact = ["email"]"#,
            r#"4: "redact" names "email", but "email" is what "rename" makes of "mail": name "mail" too"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { card = { as = "payment" } }|redact = ["payment"]"#,
            r#"4: "redact" names "payment", which is an object of "nest": name its fields, such as "card.*""#,
        ),
        (
            r#"[[rule]]|span = "a"|redact = ["email", "email"]"#,
            r#"3: "redact" names "email" twice: a field is redacted once"#,
        ),
        (
            r#"[[rule]]|span = "a"|[rule.redact]|email = "hash"|phone = "mask""#,
            r#"5: "redact.phone" is "mask": use one of drop, hash, query"#,
        ),
        (r#"[[rule]]|span = "a"|redact = [""]"#, r#"3: empty name in "redact": write a name"#),
        (
            r#"[[rule]]|span = "a"|redact = true"#,
            r#"3: "redact" is a boolean: give a string or a list of strings"#,
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
fn rules_that_match_nothing_or_too_much_are_refused() {
    assert_messages(&[
        (r#"[[rule]]|event_type = "a""#, r#"1: [[rule]] names nothing: add "span" or "event""#),
        (
            r#"[[rule]]|span = "a"||[[rule]]|span = "b"|event = "c""#,
            r#"6: "span" and "event" in one [[rule]]: make a rule of each"#,
        ),
        ("[[rule]]|span = []", r#"2: "span" is an empty list: give it a name"#),
        (r#"[[rule]]|span = """#, r#"2: empty name in "span": write a name"#),
        (r#"[[rule]]|span = "a"|event_type = " ""#, r#"3: empty name in "event_type": write a name"#),
        (r#"[[rule]]|span = "a"|inherit = ["b", ""]"#, r#"3: empty name in "inherit": write a name"#),
        (r#"[[rule]]|span = "a"|[rule.rename]|b = "c"|d = """#, r#"5: empty name in "rename": write a name"#),
        (r#"[[rule]]|span = "a"|[rule.set]|"" = 1"#, r#"4: empty name in "set": write a name"#),
        (r#"[[rule]]|span = "a"|[rule.set]|" " = 1|b = 2"#, r#"4: empty name in "set": write a name"#),
        (
            r#"[[rule]]|span = "a"|level = 1|target = 2"#,
            r#"3: "level" is an integer: use one of error, warn, info, debug, trace"#,
        ),
    ]);
}

#[test]
fn contradictory_settings_are_refused() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|[rule.rename]|success = "ok""#,
            r#"4: "rename" names "success", which this rule reads as the success: name its key "ok" with "success""#,
        ),
        (
            r#"[[rule]]|span = "a"|reason = { field = "why" }|rename = { why = "because" }"#,
            r#"4: "rename" names "why", which this rule reads as the reason: name its key "because" with "reason""#,
        ),
        (
            r#"[[rule]]|span = "a"|success = { field = "s", below = 5, above = 1 }"#,
            r#"3: two conditions in "success", "below" and "above": keep one"#,
        ),
        (
            r#"[[rule]]|span = "a"|success = { below = 5 }"#,
            r#"3: "success.below" has no "field" to look at: name one"#,
        ),
        (
            r#"[[rule]]|span = "a"|success = { field = "s", return_matches = "Some" }"#,
            r#"3: "success.return_matches" looks at what the function returned, not at a field: take out "field""#,
        ),
        (
            r#"[[rule]]|span = "a"|success = { return_matches = "" }"#,
            r#"3: "success" matches every returned value: give "return_matches" a text to look for"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { s = { keys = { b = "c" } } }"#,
            r#"3: "nest.s" has no "as": say the key of the object"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { "s." = { as = "t" } }"#,
            r#"3: "nest" has the prefix "s.": write it without the dot at the end"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { s = { as = "t", keys = { b = "c", d = "c" } } }"#,
            r#"3: "nest" writes "c" twice into "t": use another key for one"#,
        ),
        (
            r#"[[rule]]|span = "a"|exception = "a.exception""#,
            r#"3: "exception" is a reason, and this rule writes none: name its key with "reason""#,
        ),
        (
            r#"[[rule]]|event = "a"|event_type = "b"|duration = "ms""#,
            r#"4: "duration" in a rule for an "event", which has no duration and no outcome: take it out, or name a "span""#,
        ),
        (
            r#"[[rule]]|event = "a"|outcome = false"#,
            r#"3: "outcome" in a rule for an "event", which has no duration and no outcome: take it out, or name a "span""#,
        ),
        (
            r#"[[rule]]|event = "a"|success = { field = "s" }"#,
            r#"3: "success" in a rule for an "event", which has no duration and no outcome: take it out, or name a "span""#,
        ),
        (
            r#"[[rule]]|event = "a"|collect = { n = "count a" }"#,
            r#"3: "collect" in a rule for an "event", which has no duration and no outcome: take it out, or name a "span""#,
        ),
    ]);
}

#[test]
fn a_rule_for_events_has_no_setting_about_the_end_of_a_call() {
    let settings = [
        r#"duration = "k""#,
        r#"success = "k""#,
        r#"outcome = "k""#,
        r#"error = "k""#,
        r#"result = "k""#,
        r#"reason = "k""#,
        r#"reason_code = "k""#,
        r#"reason_category = "k""#,
        r#"exception = "k""#,
        r#"silent = "ok""#,
        r#"collect = { k = "count b" }"#,
        r#"number_within = { b = "k" }"#,
    ];
    for setting in settings {
        let key = setting.split(' ').next().unwrap_or_default();
        let file = format!("[[rule]]\nspan = \"b\"\n[[rule]]\nevent = \"a\"\n{setting}");
        let message = refused(file.parse());
        assert!(message.starts_with(&format!("rules:5: {key:?} in a rule for an \"event\"")), "{message}");
    }
}

#[test]
fn event_types_that_no_rule_writes_are_refused() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "job"|event_type = "job.done"|[rule.collect]|n = "count jobb.done""#,
            r#"5: "collect" names "jobb.done", an event type that no rule makes: did you mean "job.done"?"#,
        ),
        (
            r#"[[rule]]|span = "job"|collect = { n = "total auto_assign.quote" }"#,
            r#"3: "collect" names "auto_assign.quote", an event type that no rule makes: name the "event_type" of a rule"#,
        ),
        (
            r#"[[rule]]|span = "job"|number_within = { batch = "n" }"#,
            r#"3: "number_within" names "batch", an event type that no rule makes: name the "event_type" of a rule"#,
        ),
        (
            r#"[[rule]]|span = "job"|number_within = { job = "n", other = "m" }"#,
            r#"3: "number_within" has 2 entries: give it one, EVENT_TYPE = "KEY""#,
        ),
        (
            r#"[[rule]]|span = "job"|number_within = {}"#,
            r#"3: "number_within" has 0 entries: give it one, EVENT_TYPE = "KEY""#,
        ),
        (
            r#"[[rule]]|event = "job.*"||[[rule]]|span = "a"|number_within = { "job.start" = "n" }"#,
            r#"6: "number_within" names "job.start", which is made by an "event" rule only: name the "event_type" of a "span" rule"#,
        ),
    ]);
}

#[test]
fn keys_written_twice_are_refused() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|duration = "outcome""#,
            r#"3: "duration" writes the key "outcome", and so does "outcome": use another key for one, or leave it out with outcome = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|outcome = "x"|duration = "x""#,
            r#"3: "outcome" writes the key "x", and so does "duration": use another key for one, or leave it out with duration = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|[rule.rename]|b = "x"|c = "x""#,
            r#"5: "rename" writes the key "x" twice: use another key for one"#,
        ),
        (
            r#"[[rule]]|span = "a"|rename = { err = "error" }"#,
            r#"3: "rename" writes the key "error", and so does "error": use another key for one, or leave it out with error = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|set = { success = true }"#,
            r#"3: "set" writes the key "success", and so does "success": use another key for one, or leave it out with success = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|inherit = ["outcome"]"#,
            r#"3: "inherit" writes the key "outcome", and so does "outcome": use another key for one, or leave it out with outcome = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { s = { as = "x" } }|rename = { b = "x" }"#,
            r#"4: "rename" writes the key "x", and so does "nest": use another key for one"#,
        ),
        (
            r#"[[rule]]|span = "a"|collect = { x = "count a" }|set = { x = 1 }"#,
            r#"4: "set" writes the key "x", and so does "collect": use another key for one"#,
        ),
        (
            r#"[[rule]]|span = "a"|number_within = { a = "x" }|set = { x = 1 }"#,
            r#"4: "set" writes the key "x", and so does "number_within": use another key for one"#,
        ),
    ]);
}

#[test]
fn keys_that_are_columns_are_refused() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|duration = "created_at""#,
            r#"3: "duration" writes the key "created_at", which is a column of the table: use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|[rule.rename]|level = "severity""#,
            r#"4: "rename" writes the key "severity", which is a column of the table: fill that with the setting "severity", or use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|set = { source = "api" }"#,
            r#"3: "set" writes the key "source", which is a column of the table: fill that with the setting "source", or use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|set = { event_type = "api" }"#,
            r#"3: "set" writes the key "event_type", which is a column of the table: fill that with the setting "event_type", or use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|result = "booking_id""#,
            r#"3: "result" writes the key "booking_id", which is a column of the table: use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { s = { as = "context" } }"#,
            r#"3: "nest" writes the key "context", which is a column of the table: use another key"#,
        ),
    ]);
}

#[test]
fn reason_codes_that_match_nothing_or_everything_are_refused() {
    assert_messages(&[
        (
            r#"[[reason_codes]]|category = "hard"|[[rule]]|span = "a""#,
            r#"1: [[reason_codes]] needs both "category" and "codes": add what is missing"#,
        ),
        (
            r#"[[reason_codes]]|category = "hard"|codes = []|[[rule]]|span = "a""#,
            r#"1: no codes in the category "hard": give "codes" some, or take it out"#,
        ),
        (
            r#"[[reason_codes]]|category = ""|codes = ["x"]|[[rule]]|span = "a""#,
            r#"1: empty name in "category": write a name"#,
        ),
        (
            r#"[[reason_codes]]|category = "hard"|codes = ["_"]|[[rule]]|span = "a""#,
            r#"1: the code "_" has neither letter nor digit: write a word to look for"#,
        ),
        (
            r#"[[reason_codes]]|category = "a"|codes = ["x"]|[[reason_codes]]|category = "b"|codes = ["x"]"#,
            r#"4: the code "x" is listed twice: take one out"#,
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

#[test]
fn no_more_fields_are_inherited_than_the_layer_can_carry() {
    let inheriting = |from: usize, to: usize| {
        Rules::from_rules([Rule::span("a").inherit((from..to).map(|n| format!("field_{n}")))])
    };
    assert!(inheriting(0, 64).is_ok());

    let expected = "rules: the rules inherit 65 fields, at most 64 can be: take some out";
    assert_eq!(refused(inheriting(0, 65)), expected);
    let both = inheriting(0, 40).and_then(|some| some.and(inheriting(39, 65)?));
    assert_eq!(refused(both), expected);
}

#[test]
fn reason_codes_made_in_rust_are_checked_too() {
    let codes = Rules::builtin().reason_codes([("hard", ["full", "full"])]);
    let expected = r#"rules: reason codes: the code "full" is listed twice: take one out"#;
    assert_eq!(refused(codes), expected);
}

#[test]
fn fields_of_events_and_their_times_are_checked() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|take = { fields = "f" }"#,
            r#"3: "take" needs either "event" or "target": name the events by one of them"#,
        ),
        (
            r#"[[rule]]|span = "a"|take = { event = "e", target = "t", fields = "f" }"#,
            r#"3: "take" needs either "event" or "target": name the events by one of them"#,
        ),
        (r#"[[rule]]|span = "a"|take = { event = "e" }"#, r#"3: "take" has no "fields": name those to take"#),
        (
            r#"[[rule]]|span = "a"|take = { event = "e", fields = [] }"#,
            r#"3: "take" has no fields: name those to take"#,
        ),
        (
            r#"[[rule]]|event = "a"|duration = { field = "secs" }"#,
            r#"3: "duration" needs both "field" and "unit": add what is missing"#,
        ),
        (
            r#"[[rule]]|event = "a"|duration = { field = "secs", unit = "sec" }"#,
            r#"3: "duration.unit" is "sec": use one of ns, us, ms, s, m, h"#,
        ),
        (
            r#"[[rule]]|span = "a"|duration = { field = "secs", unit = "s" }"#,
            r#"3: "duration" reads "secs", and the time of a span is measured: write the field by "times""#,
        ),
        (
            r#"[[rule]]|span = "a"|times = { latency = "duration_ms" }"#,
            r#"3: "times" writes the key "duration_ms", and so does "duration": use another key for one, or leave it out with duration = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|severity = { field = "status", map = { "599..500" = "error" } }"#,
            r#"3: "severity" has the range "599..500", which no number is in: put the lower end first"#,
        ),
    ]);
}
