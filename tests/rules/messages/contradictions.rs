//! Rules that cannot all be meant.

use tracing_ledger::Rules;

use super::{assert_messages, refused};

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
fn reason_codes_made_in_rust_are_checked_too() {
    let codes = Rules::builtin().reason_codes([("hard", ["full", "full"])]);
    let expected = r#"rules: reason codes: the code "full" is listed twice: take one out"#;
    assert_eq!(refused(codes), expected);
}
