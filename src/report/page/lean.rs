//! The same page in fewer bytes: most of a page is cells, lines and labels.

/// End tags that a parser adds where they are missing. The next tag of a page is always one that makes it do so.
const OPTIONAL: [&str; 9] =
    ["</td>", "</th>", "</tr>", "</thead>", "</tbody>", "</li>", "</dt>", "</dd>", "</option>"];
const EMPTY: [&str; 2] = ["path", "circle"];

/// Leaves out quotes around plain values and optional end tags. The text must come from maud, which escapes `"` and `<`
/// everywhere else.
pub(super) fn lean(html: &str) -> String {
    let mut text = html.to_owned();
    for tag in OPTIONAL {
        text = text.replace(tag, "");
    }
    for name in EMPTY {
        text = text.replace(&format!("></{name}>"), " />");
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("=\"") {
        let Some((value, after)) = after.split_once('"') else { break };
        result += before;
        let path = before.ends_with(" d").then(|| lean_path(value));
        let value = path.as_deref().unwrap_or(value);
        if !value.is_empty() && value.chars().all(is_plain) {
            result.extend(["=", value]);
        } else {
            result.extend(["=\"", value, "\""]);
        }
        rest = after;
    }
    result + rest
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._/%,+#-()".contains(c)
}

/// Of the path of an SVG: a sign parts numbers, and so does a comma, which needs no quotes.
fn lean_path(path: &str) -> String {
    let mut result = String::with_capacity(path.len());
    let mut last = ' ';
    for (place, c) in path.char_indices() {
        let next = path[place + 1..].chars().next();
        let is_silent = match c {
            ' ' => next == Some('-') || last.is_ascii_alphabetic(),
            '0' => next == Some('.') && !last.is_ascii_digit() && last != '.',
            _ => false,
        };
        if !is_silent {
            result.push(if c == ' ' { ',' } else { c });
        }
        last = c;
    }
    result
}

/// A style whose strings have neither `;` nor `{`.
pub(super) fn lean_style(text: &str) -> String {
    let pairs = [(" {", "{"), ("{ ", "{"), (" }", "}"), ("; ", ";"), (": ", ":"), (", ", ",")];
    pairs.into_iter().fold(lean_source(text), |style, (long, short)| style.replace(long, short))
}

/// A style or a script without indentation and without lines that are comments.
pub(super) fn lean_source(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with("/*"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_end_tags_go_where_nothing_depends_on_them() {
        let long = r#"<table data-at="/a"><tr><td data-value="1.5" class="">1</td></tr></table><path d="M0 1" fill="red"></path>"#;
        let short = r#"<table data-at=/a><tr><td data-value=1.5 class="">1</table><path d=M0,1 fill=red />"#;
        assert_eq!(lean(long), short);
        assert_eq!(lean(short), short);
        // Values that would end early or run on keep their quotes.
        for text in [r#"<a b="c=">d</a>"#, r#"<a b="c>">d</a>"#, r#"<a b="c'">=</a>"#, r#"<a b="é">d</a>"#] {
            assert_eq!(lean(text), text);
        }
    }

    #[test]
    fn a_path_stays_the_same_path() {
        assert_eq!(lean_path("M0.5 100.5l1 -0.5L10 0.1z"), "M.5,100.5l1-.5L10,.1z");
    }

    #[test]
    fn a_source_loses_comments_and_indentation() {
        assert_eq!(lean_source("/* A. */\na {\n  b: c; /* d */\n}\n"), "a {\nb: c; /* d */\n}");
        assert_eq!(lean_style("a :is(b, c) { d: e; f: g }\n"), "a :is(b,c){d:e;f:g}");
        assert_eq!(lean_source("// a\n  b('//');\n"), "b('//');");
    }
}
