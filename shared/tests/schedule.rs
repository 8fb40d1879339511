//! Schedules of plan rules: what AWS documents, where clocks change, and a naive model that looks at every minute.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use guardian_core::coverage::{Due, GAP_YEARS, MissedRun, RuleSchedule, Schedule, due, missed};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(expression, Some(zone)).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

/// The runs after a time, until there are `n` or no more.
fn runs(schedule: &Schedule, from: &str, n: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut t = at(from);
    while let Some(run) = schedule.next_after(t).filter(|_| found.len() < n) {
        assert_eq!(schedule.previous_before(run + 1.nanosecond()), Some(run), "there and back");
        found.push(run.to_string());
        t = run;
    }
    found
}

#[test]
fn the_examples_of_aws_run_when_aws_says() {
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html,
    // https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html,
    // https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html; 2026-11-02 is a Monday.
    let table: &[(&str, &[&str])] = &[
        ("cron(0 5 ? * * *)", &["2026-11-02T05:00:00Z", "2026-11-03T05:00:00Z"]),
        ("cron(0 10 * * ? *)", &["2026-11-02T10:00:00Z", "2026-11-03T10:00:00Z"]),
        ("cron(15 12 * * ? *)", &["2026-11-02T12:15:00Z", "2026-11-03T12:15:00Z"]),
        ("cron(0 18 ? * MON-FRI *)", &["2026-11-02T18:00:00Z", "2026-11-03T18:00:00Z", "2026-11-04T18:00:00Z"]),
        ("cron(0 8 1 * ? *)", &["2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z"]),
        ("cron(0/15 * * * ? *)", &["2026-11-02T00:15:00Z", "2026-11-02T00:30:00Z"]),
        ("cron(0/10 * ? * MON-FRI *)", &["2026-11-02T00:10:00Z"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", &["2026-11-02T08:00:00Z", "2026-11-02T08:05:00Z"]),
        ("cron(0/30 20-2 ? * MON-FRI *)", &["2026-11-02T00:30:00Z", "2026-11-02T01:00:00Z"]),
        ("cron(0 8 ? * 2#1 *)", &["2026-11-02T08:00:00Z", "2026-12-07T08:00:00Z"]),
        ("cron(15 10 ? * 6L 2027-2028)", &["2027-01-29T10:15:00Z", "2027-02-26T10:15:00Z"]),
        ("cron(0 12 L * ? *)", &["2026-11-30T12:00:00Z", "2026-12-31T12:00:00Z"]),
        ("cron(0 12 ? * L *)", &["2026-11-07T12:00:00Z"]),
        // The 15th is a Sunday in November, a Tuesday in December, a Friday in January; the 1st a Sunday and a Tuesday.
        ("cron(0 0 15W * ? *)", &["2026-11-16T00:00:00Z", "2026-12-15T00:00:00Z", "2027-01-15T00:00:00Z"]),
        ("cron(0 6 1W * ? *)", &["2026-11-02T06:00:00Z", "2026-12-01T06:00:00Z", "2027-01-01T06:00:00Z", "2027-02-01T06:00:00Z"]),
        ("cron(0 6 LW * ? 2027)", &["2027-01-29T06:00:00Z", "2027-02-26T06:00:00Z"]),
        // 2027-05-01 is a Saturday, 2027-10-31 a Sunday: neither leaves its month.
        ("cron(0 6 1W 5 ? 2027)", &["2027-05-03T06:00:00Z"]),
        ("cron(0 6 31W 10 ? 2027)", &["2027-10-29T06:00:00Z"]),
        ("cron(0 6 ? JAN,jul sun *)", &["2027-01-03T06:00:00Z", "2027-01-10T06:00:00Z"]),
        ("cron(0 6 ? * FRI-MON *)", &["2026-11-02T06:00:00Z", "2026-11-06T06:00:00Z", "2026-11-07T06:00:00Z", "2026-11-08T06:00:00Z"]),
        ("cron(0 6 29 2 ? *)", &["2028-02-29T06:00:00Z", "2032-02-29T06:00:00Z"]),
        ("cron(0 6 10-31/10 * ? *)", &["2026-11-10T06:00:00Z", "2026-11-20T06:00:00Z", "2026-11-30T06:00:00Z", "2026-12-10T06:00:00Z"]),
        ("cron(0 6 1 1 ? 2030/5)", &["2030-01-01T06:00:00Z", "2035-01-01T06:00:00Z"]),
        ("15 * ? * * *", &["2026-11-02T00:15:00Z", "2026-11-02T01:15:00Z"]),
        (" CRON( 0  12 * * ?   * ) ", &["2026-11-02T12:00:00Z"]),
    ];
    for (expression, expected) in table {
        assert_eq!(runs(&schedule(expression, "UTC"), "2026-11-02T00:00:00Z", expected.len()), *expected, "{expression}");
    }
}

#[test]
fn what_never_comes_ends_at_once() {
    for never in ["cron(0 0 30 2 ? *)", "cron(0 0 31 4,6,9,11 ? *)", "cron(0 0 1 1 ? 1970)", "cron(0 0 30W 2 ? *)", "cron(0 0 29 2 ? 2027)"]
    {
        let schedule = schedule(never, "UTC");
        assert_eq!(schedule.next_after(at("2026-11-02T00:00:00Z")), None, "{never}");
        assert_eq!(schedule.largest_gap(at("2026-11-02T00:00:00Z")), None, "{never}");
    }
    assert_eq!(schedule("cron(0 0 1 1 ? 2199)", "UTC").next_after(Timestamp::MAX), None);
    assert_eq!(schedule("cron(0 0 1 1 ? *)", "UTC").previous_before(Timestamp::MIN), None);
    assert_eq!(schedule("cron(0 0 1 1 ? *)", "UTC").previous_before(at("1970-01-01T00:00:00Z")), None);
}

#[test]
fn what_is_no_schedule_says_why() {
    for (expression, why) in [
        ("", "neither"),
        ("at(2026-11-20T13:00:00)", "neither"),
        ("cron(0 5 * * *)", "5 fields"),
        ("cron(0 5 1 * MON *)", "both"),
        ("cron(60 5 ? * * *)", "`60` is no minute"),
        ("cron(0 24 ? * * *)", "`24` is no hour"),
        ("cron(0 5 0 * ? *)", "`0` is no day of month"),
        ("cron(0 5 32W * ? *)", "`32W` is no day of month"),
        ("cron(0 5 ? 13 * *)", "`13` is no month"),
        ("cron(0 5 ? * 8 *)", "`8` is no day of week"),
        ("cron(0 5 ? * 2#6 *)", "`2#6` is no day of week"),
        ("cron(0 5 ? * * 1969)", "`1969` is no year"),
        ("cron(0 5 ? * * 2030-2020)", "`2030-2020` is no year"),
        ("cron(+5 5 ? * * *)", "`+5` is no minute"),
        ("cron(*/0 5 ? * * *)", "`*/0` is no minute"),
        ("cron(, 5 ? * * *)", "`,` is no minute"),
        ("cron(/5 5 ? * * *)", "`/5` is no minute"),
        ("rate(0 hours)", "no rate"),
        ("rate(1 fortnight)", "no rate"),
        ("rate(99999999999999999999 days)", "no rate"),
    ] {
        let error = Schedule::parse(expression, None).expect_err(expression).to_string();
        assert!(error.contains(why), "{expression}: {error}");
    }
    assert!(Schedule::parse("cron(0 5 ? * * *)", Some("Europe/Nowhere")).is_err());
}

#[test]
fn daylight_saving_time_skips_what_the_clock_skips_and_repeats_nothing() {
    // Europe/Berlin: 2027-03-28 02:00 becomes 03:00; 2027-10-31 03:00 becomes 02:00.
    let nightly = schedule("cron(30 2 * * ? *)", "Europe/Berlin");
    assert_eq!(runs(&nightly, "2027-03-26T12:00:00Z", 3), ["2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z", "2027-03-30T00:30:00Z"]);
    assert_eq!(runs(&nightly, "2027-10-30T12:00:00Z", 2), ["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]);
    let hourly = schedule("cron(0 * * * ? *)", "Europe/Berlin");
    assert_eq!(runs(&hourly, "2027-03-28T00:00:00Z", 2), ["2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"]);
    assert_eq!(runs(&hourly, "2027-10-31T00:00:00Z", 2), ["2027-10-31T02:00:00Z", "2027-10-31T03:00:00Z"]);
    // Five o'clock stays five o'clock.
    let five = schedule("cron(0 5 ? * * *)", "America/New_York");
    assert_eq!(runs(&five, "2027-03-13T12:00:00Z", 1), ["2027-03-14T09:00:00Z"]);
    assert_eq!(runs(&five, "2027-03-12T12:00:00Z", 1), ["2027-03-13T10:00:00Z"]);
    // Half an hour on Lord Howe; a whole day that Samoa leapt over.
    let howe = schedule("cron(45 1 * * ? *)", "Australia/Lord_Howe");
    assert_eq!(runs(&howe, "2027-04-03T00:00:00Z", 2), ["2027-04-03T14:45:00Z", "2027-04-04T15:15:00Z"]);
    let apia = schedule("cron(0 12 * * ? 2011)", "Pacific/Apia");
    assert_eq!(runs(&apia, "2011-12-29T00:00:00Z", 3), ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"]);
}

#[test]
fn the_objective_of_a_rule_is_its_longest_pause() {
    let hours = |expression: &str| {
        let gap = schedule(expression, "Europe/Berlin").largest_gap(at("2026-11-02T00:00:00Z"));
        gap.map(|gap| gap.as_hours())
    };
    assert_eq!(hours("cron(0 5 ? * * *)"), Some(24));
    assert_eq!(hours("cron(0 * ? * * *)"), Some(1));
    assert_eq!(hours("cron(0 8-18 ? * MON-FRI *)"), Some(2 * 24 + 14));
    assert_eq!(hours("cron(0 5 ? * SUN *)"), Some(7 * 24));
    assert_eq!(hours("cron(0 5 1 * ? *)"), Some(31 * 24));
    assert_eq!(hours("cron(0 5 29 2 ? *)"), Some(1461 * 24));
    assert_eq!(Some(2921 * 24), schedule("cron(0 5 29 2 ? *)", "UTC").largest_gap(at("2090-01-01T00:00:00Z")).map(|gap| gap.as_hours()));
    assert_eq!(hours("cron(0 1,23 ? * * *)"), Some(22));
    assert_eq!(hours("rate(12 hours)"), Some(12));
    assert_eq!(hours("cron(0 5 1 1 ? 2027)"), None);
}

// --- Missed runs ---------------------------------------------------------------------------------------------------------

fn rule(expression: &str, window_minutes: i64) -> RuleSchedule {
    let start_window = Some(SignedDuration::from_mins(window_minutes));
    RuleSchedule { schedule: schedule(expression, "UTC"), start_window, since: None }
}

#[test]
fn a_run_is_missed_when_its_start_window_is_over_and_no_job_lies_in_it() {
    let nightly = rule("cron(0 5 ? * * *)", 60);
    let look = |now: &str| due(&nightly, at("2026-11-01T12:00:00Z"), at(now));
    assert_eq!(look("2026-11-02T06:14:00Z"), [], "the window and what a list is late are not over");
    let found = look("2026-11-02T06:15:00Z");
    let times = (at("2026-11-02T05:00:00Z"), at("2026-11-02T04:55:00Z"), at("2026-11-02T06:15:00Z"));
    assert_eq!(found, [Due { run_at: times.0, from: times.1, until: times.2 }]);
    for (created, is_missed) in
        [("2026-11-02T05:00:01Z", false), ("2026-11-02T06:10:00Z", false), ("2026-11-02T04:00:00Z", true), ("2026-11-02T07:00:00Z", true)]
    {
        let expected = if is_missed { vec![MissedRun { run_at: times.0, window_ended_at: times.2 }] } else { vec![] };
        assert_eq!(missed(&found, &[at(created)]), expected, "{created}");
    }
    let missing_twice = due(&nightly, at("2026-10-31T12:00:00Z"), at("2026-11-02T12:00:00Z"));
    assert_eq!(missed(&missing_twice, &[]).len(), 2);
}

#[test]
fn what_was_before_the_rule_was_not_due() {
    let mut nightly = rule("cron(0 5 ? * * *)", 60);
    nightly.since = Some(at("2026-11-02T05:00:00Z"));
    assert_eq!(due(&nightly, at("2026-11-01T00:00:00Z"), at("2026-11-02T12:00:00Z")), []);
    assert_eq!(due(&nightly, at("2026-11-01T00:00:00Z"), at("2026-11-03T12:00:00Z")).len(), 1);
}

#[test]
fn a_rate_is_missed_when_a_whole_period_has_no_job() {
    let half_day = rule("rate(12 hours)", 60);
    let now = at("2026-11-02T12:00:00Z");
    let found = due(&half_day, at("2026-11-02T11:00:00Z"), now);
    assert_eq!(missed(&found, &[at("2026-11-01T23:00:00Z")]), []);
    assert_eq!(missed(&found, &[at("2026-11-01T22:44:00Z")]).len(), 1);
    // Every look of a period speaks of the same run.
    let later = due(&half_day, now, at("2026-11-02T23:59:00Z"));
    assert_eq!(found[0].run_at, later[0].run_at);
}

// --- The naive model: every minute, asked of a calendar that was never a text ------------------------------------------------

#[derive(Clone, Debug)]
enum Numbers {
    Any,
    Some(Vec<i16>),
    Range(i16, i16),
    Step(i16, i16),
}

#[derive(Clone, Debug)]
enum DayRule {
    Every,
    Month(Numbers),
    LastOfMonth,
    Workday(i16),
    Week(Numbers),
    LastWeek(i16),
    Nth(i16, i16),
}

#[derive(Clone, Debug)]
struct Calendar {
    minutes: Numbers,
    hours: Numbers,
    months: Numbers,
    days: DayRule,
}

impl Numbers {
    fn text(&self) -> String {
        match self {
            Self::Any => "*".to_owned(),
            Self::Some(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            Self::Range(from, until) => format!("{from}-{until}"),
            Self::Step(from, step) => format!("{from}/{step}"),
        }
    }

    fn has(&self, n: i16) -> bool {
        match self {
            Self::Any => true,
            Self::Some(values) => values.contains(&n),
            Self::Range(from, until) if from <= until => *from <= n && n <= *until,
            Self::Range(from, until) => n >= *from || n <= *until,
            Self::Step(from, step) => n >= *from && (n - from) % step == 0,
        }
    }
}

/// Sunday = 1, by counting from a Sunday.
fn week_day(date: Date) -> i16 {
    let days = date.duration_since(Date::constant(2023, 1, 1)).as_hours() / 24;
    i16::try_from(days.rem_euclid(7)).unwrap() + 1
}

impl Calendar {
    fn text(&self) -> String {
        let (of_month, of_week) = match &self.days {
            DayRule::Every => ("*".to_owned(), "?".to_owned()),
            DayRule::Month(days) => (days.text(), "?".to_owned()),
            DayRule::LastOfMonth => ("L".to_owned(), "?".to_owned()),
            DayRule::Workday(day) => (format!("{day}W"), "?".to_owned()),
            DayRule::Week(days) => ("?".to_owned(), days.text()),
            DayRule::LastWeek(day) => ("?".to_owned(), format!("{day}L")),
            DayRule::Nth(day, nth) => ("?".to_owned(), format!("{day}#{nth}")),
        };
        format!("cron({} {} {of_month} {} {of_week} *)", self.minutes.text(), self.hours.text(), self.months.text())
    }

    fn has(&self, t: DateTime) -> bool {
        self.minutes.has(i16::from(t.minute()))
            && self.hours.has(i16::from(t.hour()))
            && self.months.has(i16::from(t.month()))
            && self.on_day(t.date())
    }

    fn on_day(&self, date: Date) -> bool {
        let day = i16::from(date.day());
        let same_month = |days: i64| date.checked_add(days.days()).is_ok_and(|other| other.month() == date.month());
        match &self.days {
            DayRule::Every => true,
            DayRule::Month(days) => days.has(day),
            DayRule::LastOfMonth => !same_month(1),
            DayRule::Workday(wanted) => {
                // Of the workdays of the month, the nearest to the wanted day, if the month has that day; of two, the one that AWS takes.
                let exists = Date::new(date.year(), date.month(), i8::try_from(*wanted).unwrap()).ok();
                exists.is_some_and(|target| {
                    let workdays = (1..=31)
                        .filter_map(|n| Date::new(date.year(), date.month(), n).ok())
                        .filter(|day| !matches!(week_day(*day), 1 | 7));
                    let distance = |other: &Date| (i16::from(other.day()) - i16::from(target.day())).abs();
                    workdays.min_by_key(distance) == Some(date)
                })
            }
            DayRule::Week(days) => days.has(week_day(date)),
            DayRule::LastWeek(wanted) => week_day(date) == *wanted && !same_month(7),
            DayRule::Nth(wanted, nth) => {
                let before = (1..=5).filter(|weeks| same_month(-7 * weeks) && *weeks * 7 < i64::from(day)).count();
                week_day(date) == *wanted && i16::try_from(before).unwrap() + 1 == *nth
            }
        }
    }

    /// Every minute of the span at which the clock on the wall shows, for the first time, what the calendar has.
    fn runs(&self, zone: &TimeZone, from: Timestamp, minutes: i64) -> Vec<Timestamp> {
        (1..minutes)
            .map(|n| from + SignedDuration::from_mins(n))
            .filter(|t| {
                let wall = zone.to_datetime(*t);
                let second_time = || match zone.to_ambiguous_timestamp(wall).offset() {
                    AmbiguousOffset::Fold { before, .. } => zone.to_offset(*t) != before,
                    _ => false,
                };
                self.has(wall) && !second_time()
            })
            .collect()
    }
}

fn numbers(first: i16, last: i16) -> impl Strategy<Value = Numbers> {
    let one = first..=last;
    prop_oneof![
        Just(Numbers::Any),
        proptest::collection::vec(one.clone(), 1..4).prop_map(Numbers::Some),
        (one.clone(), one.clone()).prop_map(|(from, until)| Numbers::Range(from, until)),
        (one, 1..=last).prop_map(|(from, step)| Numbers::Step(from, step)),
    ]
}

fn calendars() -> impl Strategy<Value = Calendar> {
    let days = prop_oneof![
        2 => Just(DayRule::Every),
        1 => numbers(1, 31).prop_map(DayRule::Month),
        1 => Just(DayRule::LastOfMonth),
        1 => (1..=31_i16).prop_map(DayRule::Workday),
        1 => numbers(1, 7).prop_map(DayRule::Week),
        1 => (1..=7_i16).prop_map(DayRule::LastWeek),
        1 => (1..=7_i16, 1..=5_i16).prop_map(|(day, nth)| DayRule::Nth(day, nth)),
    ];
    let months = prop_oneof![3 => Just(Numbers::Any), 1 => numbers(1, 12)];
    (numbers(0, 59), numbers(0, 23), months, days).prop_map(|(minutes, hours, months, days)| Calendar { minutes, hours, months, days })
}

const ZONES: &[&str] =
    &["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Chatham"];
/// Around changes of the clocks in these zones, ends of months, a leap day.
const STARTS: &[&str] = &[
    "2027-03-26T11:00:00Z",
    "2027-10-30T13:00:00Z",
    "2027-11-06T01:00:00Z",
    "2027-03-13T05:00:00Z",
    "2028-02-27T00:00:00Z",
    "2026-12-30T07:00:00Z",
    "2027-02-06T00:00:00Z",
    "2027-04-02T10:00:00Z",
];

proptest! {
    #[test]
    fn the_evaluator_agrees_with_a_model_that_looks_at_every_minute(
        calendar in calendars(),
        zone in proptest::sample::select(ZONES),
        start in proptest::sample::select(STARTS),
    ) {
        const MINUTES: i64 = 2 * 24 * 60;
        let from = at(start);
        let until = from + SignedDuration::from_mins(MINUTES);
        let expected = calendar.runs(&TimeZoneDatabase::bundled().get(zone).unwrap(), from, MINUTES);
        let schedule = schedule(&calendar.text(), zone);
        let mut forwards = Vec::new();
        let mut t = from;
        while let Some(run) = schedule.next_after(t).filter(|run| *run < until) {
            forwards.push(run);
            t = run;
        }
        prop_assert_eq!(&forwards, &expected, "{}", calendar.text());
        let mut backwards = Vec::new();
        let mut t = until;
        while let Some(run) = schedule.previous_before(t).filter(|run| *run > from) {
            backwards.push(run);
            t = run;
        }
        backwards.reverse();
        prop_assert_eq!(&backwards, &expected, "{}", calendar.text());
    }

    #[test]
    fn no_pause_is_longer_than_the_objective(calendar in calendars(), start in proptest::sample::select(STARTS)) {
        let schedule = schedule(&calendar.text(), "UTC");
        let mut t = at(start);
        let objective = schedule.largest_gap(t);
        let end = t + SignedDuration::from_hours(i64::from(GAP_YEARS) * 365 * 24);
        let mut before = None;
        for _ in 0..200 {
            let Some(run) = schedule.next_after(t).filter(|run| *run < end) else { break };
            if let Some(before) = before {
                prop_assert!(Some(run.duration_since(before)) <= objective, "{}", calendar.text());
            }
            before = Some(run);
            t = run;
        }
    }

    #[test]
    fn no_text_panics_or_hangs(text in "(cron|rate)?[(]?[-0-9LW#?*/, A-Z]{0,40}[)]?") {
        if let Ok(schedule) = Schedule::parse(&text, None) {
            let t = at("2026-11-02T00:00:00Z");
            let _ = (schedule.next_after(t), schedule.previous_before(t), schedule.largest_gap(t));
        }
    }
}

#[test]
fn that_weeks_or_years_are_like_each_other_shortens_the_search_for_the_longest_pause_and_changes_nothing() {
    for days in ["? * *", "? * MON", "? * MON-FRI", "? * SUN,WED", "1 * ?", "L * ?", "29 2 ?", "31 * ?", "1,15 3-9 ?", "LW * ?", "? * 2#5"]
    {
        for times in ["0 5", "30 */6"] {
            let every_year = schedule(&format!("cron({times} {days} *)"), "UTC");
            // Without its last year a calendar is no longer the same for ever, and all 40 years are looked at.
            let not_the_last = schedule(&format!("cron({times} {days} 1970-2198)"), "UTC");
            for from in ["2026-11-27T12:00:00Z", "2027-02-28T23:59:59Z", "2070-01-01T00:00:00Z"] {
                assert_eq!(every_year.largest_gap(at(from)), not_the_last.largest_gap(at(from)), "{times} {days} {from}");
            }
        }
    }
}
