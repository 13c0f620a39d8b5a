//! The question that a report answers.

use std::time::{Duration, SystemTime};

use super::keys::{self, by_event_type};
use super::observe::{By, Questions};
use super::progress::Progress;
use crate::error::Error;
use crate::rules::Rules;
use crate::rules::model::{MatchKind, Pattern};
use crate::store::TableName;
use crate::store::read::{Asked, Choice, Comparison, Condition, Selection};

/// The question that a report answers: it says which rows count, and how they are grouped.
///
/// ```
/// use tracing_ledger::report::Question;
///
/// let question = Question::new().event("http.request").by("route")?.by("status")?.condition("status>=500")?;
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub(super) event_types: Vec<String>,
    by: Vec<(String, By)>,
    conditions: Vec<(Asked, Comparison, String)>,
    pub(super) since: Option<SystemTime>,
    pub(super) until: Option<SystemTime>,
    rules: Option<Rules>,
    pub(super) table: TableName,
    pub(super) progress: Option<Progress>,
    pub(super) detail: bool,
    #[cfg(feature = "postgres")]
    pub(super) rollup: bool,
}

/// The keys by which the rows of an event type are grouped.
#[derive(Clone, Debug)]
pub(super) enum Grouping {
    /// By all of them together.
    Together(Vec<String>),
    /// By each for itself, as the rules say for some event types.
    Each(Choice),
}

/// A rule whose rows are jobs.
#[derive(Clone, Debug)]
pub(super) struct JobRule {
    pub(super) event_type: Pattern,
    /// Those event types of other rules, for example of the calls, that a pattern fits too.
    others: Vec<Pattern>,
    /// The event type of the calls.
    pub(super) of: String,
    /// The keys that such a call inherits from the spans around it.
    pub(super) inherited: Vec<String>,
    /// The flows that may come before a job: each is an event type up to its last dot.
    pub(super) flows: Vec<String>,
}

impl JobRule {
    pub(super) fn is_job(&self, event_type: &str) -> bool {
        self.event_type.matches(event_type) && !self.others.iter().any(|other| other.matches(event_type))
    }
}

impl Question {
    /// Asks for every event type, grouped as the [built-in rules](Rules::builtin) say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for this event type only, or for several.
    pub fn event(mut self, event_type: impl Into<String>) -> Self {
        self.event_types.push(event_type.into());
        self
    }

    /// Groups by this key, together with the other keys, instead of by those that the rules name.
    ///
    /// The key is one of the context, with dots into nested objects; or `hour`, `day`, `source`, `severity`, `event_type`,
    /// `restaurant_id` or `booking_id`. A key of the context that has one of these names is `context.NAME`. A key that is named
    /// again changes nothing.
    ///
    /// # Errors
    /// For an empty key.
    pub fn by(mut self, key: &str) -> Result<Self, Error> {
        let by = by_of(key)?;
        if !self.by.iter().any(|(known, _)| known == key) {
            self.by.push((key.to_owned(), by));
        }
        Ok(self)
    }

    /// Counts only rows for which this holds: a key as in [`by`](Self::by), one of `=`, `!=`, `<`, `<=`, `>` and `>=`, and a
    /// value, such as `status>=500`. Equal is the same text, as groups show it, so that `version=1.1` is not 1.10. Objects and lists
    /// also compare as JSON. Above and below a number are only numbers.
    ///
    /// # Errors
    /// For a text of another form.
    pub fn condition(mut self, condition: &str) -> Result<Self, Error> {
        self.conditions.push(condition_of(condition)?);
        Ok(self)
    }

    /// Counts rows from this moment on. Like rows, it has microseconds: more digits are cut.
    pub fn since(mut self, since: SystemTime) -> Self {
        self.since = Some(microseconds(since));
        self
    }

    /// Counts rows before this moment, in microseconds.
    pub fn until(mut self, until: SystemTime) -> Self {
        self.until = Some(microseconds(until));
        self
    }

    /// The rules that made the rows: they say which key has the duration, the success and the reason, and how rows are
    /// grouped. Without them these are the [built-in rules](Rules::builtin).
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// The table of the rows, as `TABLE` or `SCHEMA.TABLE`. Without it:
    /// [`Builder::DEFAULT_TABLE`](crate::Builder::DEFAULT_TABLE).
    ///
    /// # Errors
    /// When it is no name of a table ([`Error::is_config`]).
    pub fn table(mut self, name: &str) -> Result<Self, Error> {
        self.table = TableName::parse(name)?;
        Ok(self)
    }

    /// Whether the answer comes from a [`Rollup`](super::Rollup), and from rows only where none is rolled up (`false`).
    ///
    /// Counts are exact, percentiles within [`RolledUp::error_bound`](super::RolledUp::error_bound). The keys of
    /// [`by`](Self::by) and of conditions must be those of the rollup.
    #[cfg(feature = "postgres")]
    pub fn rollup(mut self, rollup: bool) -> Self {
        self.rollup = rollup;
        self
    }

    /// Whether the answer has [details](super::Detail) on each event type, and the [losses](super::Losses). Without this it
    /// has none.
    pub fn detail(mut self, detail: bool) -> Self {
        self.detail = detail;
        self
    }

    /// Counts in `progress` the rows that are read, for another thread that shows it.
    pub fn progress(mut self, progress: &Progress) -> Self {
        self.progress = Some(progress.clone());
        self
    }

    pub(super) fn known_rules(&self) -> Rules {
        self.rules.clone().unwrap_or_else(Rules::builtin)
    }

    /// The questions to each row.
    pub(crate) fn questions(&self) -> Questions {
        let asked = self.conditions.iter().map(|(asked, ..)| asked.clone()).collect();
        let conditions = self.conditions.iter().enumerate();
        let conditions = conditions.map(|(asked, (_, comparison, value))| Condition {
            asked,
            comparison: *comparison,
            value: value.clone(),
        });
        let selection = Selection {
            event_types: (!self.event_types.is_empty()).then(|| self.event_types.clone()),
            since: self.since,
            until: self.until,
            asked,
            conditions: conditions.collect(),
            columns: self.known_rules().columns(),
            any: Vec::new(),
            losses: false,
        };
        let questions = Questions::new(&self.known_rules(), selection);
        match self.grouping() {
            Grouping::Together(_) => questions.by(self.by.iter().map(|(_, by)| by.clone())),
            Grouping::Each(of) => questions.by(places(&of)),
        }
    }

    pub(super) fn grouping(&self) -> Grouping {
        if !self.by.is_empty() {
            return Grouping::Together(self.by.iter().map(|(key, _)| key.clone()).collect());
        }
        Grouping::Each(self.rule_keys())
    }

    /// The keys by which the rules group the rows of each event type.
    pub(super) fn rule_keys(&self) -> Choice {
        keys::grouping(&self.known_rules())
    }

    /// The questions to each row of a rollup: it is grouped by all keys, those of the rules too.
    #[cfg(feature = "postgres")]
    pub(super) fn rollup_questions(&self) -> Questions {
        let questions = Questions::new(&self.known_rules(), Selection::default());
        questions.by(self.by.iter().map(|(_, by)| by.clone())).by(places(&self.rule_keys()))
    }

    pub(super) fn jobs(&self) -> Vec<JobRule> {
        let rules = self.known_rules();
        let jobs = by_event_type(&rules).filter_map(|(event_type, rule)| {
            // Its rows cannot be told from others.
            let collect = rule.collect.first().filter(|_| rule.event_type_field.is_none())?;
            let of = collect.of.to_string();
            let calls = by_event_type(&rules).filter(|(event_type, _)| *event_type == of);
            let inherited = calls.flat_map(|(_, rule)| rule.inherit.iter().cloned()).collect();
            let flows = flows(&rules, event_type);
            let event_type = Pattern(event_type.to_owned());
            let others = if event_type.is_name() { Vec::new() } else { keys::named_before(&rules, rule) };
            Some(JobRule { event_type, others, of, inherited, flows })
        });
        jobs.collect()
    }
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("=", Comparison::Equal),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];

/// Reads a key to group by.
pub(super) fn by_of(key: &str) -> Result<By, Error> {
    Ok(match key {
        "hour" => By::Hour,
        "day" => By::Day,
        _ => By::Text(asked(key)?),
    })
}

/// Reads a condition such as `status>=500`.
pub(super) fn condition_of(condition: &str) -> Result<(Asked, Comparison, String), Error> {
    let at = condition.find(['=', '!', '<', '>']).unwrap_or_default();
    let (key, rest) = condition.split_at(at);
    let found = COMPARISONS
        .iter()
        .find_map(|(sign, comparison)| Some((*comparison, rest.strip_prefix(sign)?.trim())));
    let (Some((comparison, value)), false) = (found, key.trim().is_empty()) else {
        return Err(Error::config(
            "a condition is a key, one of = != < <= > >=, and a value, such as status>=500",
        ));
    };
    if matches!(key.trim(), "hour" | "day") {
        return Err(Error::config("hour and day group rows, and select none: use --since and --until"));
    }
    if key.trim() == "created_at" {
        return Err(Error::config(
            "the time of a row is no key: use --since and --until, or context.created_at for a key of the context",
        ));
    }
    if value.starts_with(['=', '!', '<', '>', '~']) {
        return Err(Error::config(
            "the value of a condition begins with a sign: write one of = != < <= > >= and the value, such as \
             status!=500",
        ));
    }
    let is_quoted = |quote| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if is_quoted('\'') || is_quoted('"') {
        return Err(Error::config(
            "the value of a condition is in quotes, which no row has: leave them out, such as route=/orders",
        ));
    }
    Ok((asked(key.trim())?, comparison, value.to_owned()))
}

pub(super) fn asked(key: &str) -> Result<Asked, Error> {
    if key.split('.').any(|part| part.trim().is_empty()) {
        return Err(Error::config(
            "a key or a part between its dots is empty: name one, such as route or http.route",
        ));
    }
    Ok(match key {
        "event_type" => Asked::EventType,
        "source" => Asked::Source,
        "severity" => Asked::Severity,
        "restaurant_id" => Asked::RestaurantId,
        "booking_id" => Asked::BookingId,
        key => Asked::Key(Choice::always(key.strip_prefix("context.").unwrap_or(key))),
    })
}

/// The first key of every event type, then the second, and so on.
fn places(each: &Choice) -> Vec<By> {
    let most = each.of().iter().map(|(_, keys)| keys.len()).max().unwrap_or_default();
    (0..most).map(|place| By::Text(Asked::Key(each.nth(place)))).collect()
}

/// The flows beside the flow of a job that have rules for their events: `FLOW.*`, or `FLOW.timeout`.
fn flows(rules: &Rules, job: &str) -> Vec<String> {
    let own = job.rsplit_once('.').map_or(job, |(flow, _)| flow);
    let events = rules.list.iter().filter(|rule| rule.matches.kind == MatchKind::Event);
    let names = events.flat_map(|rule| &rule.matches.names);
    let mut flows: Vec<String> = Vec::new();
    for name in names {
        let flow = name.0.strip_suffix(".*").or_else(|| name.0.strip_suffix(".timeout"));
        let flow = flow.filter(|flow| *flow != own && !flow.contains('*'));
        flows.extend(flow.filter(|flow| !flows.iter().any(|known| known == flow)).map(str::to_owned));
    }
    flows
}

fn microseconds(moment: SystemTime) -> SystemTime {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(moment, |since| moment - Duration::from_nanos(u64::from(since.subsec_nanos() % 1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_has_a_key_a_sign_and_a_value() {
        let parsed = |text| {
            let question: Question = Question::new().condition(text).ok()?;
            let (asked, comparison, value) = question.conditions.first()?.clone();
            let Asked::Key(choice) = asked else { return None };
            Some((choice.otherwise().concat(), comparison, value))
        };
        let is = |key: &str, comparison, value: &str| Some((key.to_owned(), comparison, value.to_owned()));
        assert_eq!(parsed("status>=500"), is("status", Comparison::AtLeast, "500"));
        assert_eq!(parsed("a.b != x=y"), is("a.b", Comparison::NotEqual, "x=y"));
        assert_eq!(parsed("context.day<3"), is("day", Comparison::Below, "3"));
        for (wrong, why) in [
            ("status", "a condition is a key"),
            (">=500", "a condition is a key"),
            ("", "a condition is a key"),
            ("status!500", "a condition is a key"),
            ("status<>500", "begins with a sign"),
            ("status==500", "begins with a sign"),
            ("status=>500", "begins with a sign"),
            ("route=~/r", "begins with a sign"),
            ("route='/r1'", "in quotes"),
            ("route = \"/r1\"", "in quotes"),
            ("day=2026-01-31", "use --since"),
            ("hour>=10", "use --since"),
            (".a=1", "a part between its dots is empty"),
            ("a..b=1", "a part between its dots is empty"),
        ] {
            let error = Question::new().condition(wrong).expect_err(wrong);
            assert!(error.is_config() && error.to_string().contains(why), "{wrong}: {error}");
        }
        for wrong in ["", " ", ".a", "a..b", "a."] {
            assert!(Question::new().by(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_built_in_rules_name_one_job_and_one_flow_before_it() {
        let jobs = Question::new().jobs();
        let [job] = jobs.as_slice() else { panic!("{jobs:?}") };
        assert_eq!(
            (job.event_type.0.as_str(), job.of.as_str()),
            ("auto_assign.summary", "auto_assign.quote")
        );
        assert_eq!(job.flows, ["inline_auto_assign"]);
    }

    #[test]
    fn a_window_has_microseconds() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        let cut = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        let question = Question::new().since(moment).until(cut);
        assert_eq!((question.since, question.until), (Some(cut), Some(cut)));
    }
}
