//! The schedule of a plan rule: at which instants it runs.
//!
//! A cron expression speaks of the clock on a wall. Where daylight saving time begins, a time that the clock leaps over has no run; where it ends
//! and a time comes twice, the rule runs the first time only. So EventBridge Scheduler does it
//! (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>); AWS Backup does not say, and nobody is told of a run that
//! may not have been due. The time zones are part of the program: the image of a function has none.

use std::sync::LazyLock;

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp};

use super::cron::{Cron, CronError, LAST_YEAR};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A month without a 29 February, with a fifth Sunday, …: after 40 years every calendar has come round. (The century years that are no leap years make
/// some pauses of decades to come longer; no objective of today is meant by that.)
pub const GAP_YEARS: i16 = 40;
/// Clocks are changed by less than this, even at the date line.
const ABOUT: SignedDuration = SignedDuration::from_hours(26);
/// The longest expression that is read; AWS names no limit, and every sensible one is shorter.
const LONGEST: usize = 1024;

/// Why a schedule cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The cron expression.
    #[error("the cron expression cannot be read: {0}")]
    Cron(#[from] CronError),
    /// The rate.
    #[error("`{0}` is no rate such as `rate(12 hours)`")]
    Rate(String),
    /// Neither of the two.
    #[error("`{0}` is neither `cron(…)` nor `rate(…)`")]
    Unknown(String),
    /// The time zone.
    #[error("`{0}` is no time zone of the IANA database")]
    Zone(String),
}

/// When a rule runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    kind: Kind,
    zone: TimeZone,
}

#[derive(Clone, Debug)]
enum Kind {
    Cron(Cron),
    Rate(SignedDuration),
}

fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The inside of `name(…)`.
fn inside<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (start, rest) = text.split_once('(')?;
    start.trim().eq_ignore_ascii_case(name).then(|| rest.trim_end().strip_suffix(')')).flatten()
}

fn rate(text: &str) -> Option<SignedDuration> {
    let mut parts = text.split_ascii_whitespace();
    let (number, unit, None) = (parts.next()?, parts.next()?, parts.next()) else { return None };
    let number = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse::<i64>().ok()).flatten().filter(|n| *n > 0)?;
    let minutes = match unit.to_ascii_lowercase().as_str() {
        "minute" | "minutes" => number,
        "hour" | "hours" => number.checked_mul(60)?,
        "day" | "days" => number.checked_mul(24 * 60)?,
        _ => return None,
    };
    // A century: what is longer is no rate at which anything is backed up.
    (minutes <= 100 * 366 * 24 * 60).then(|| SignedDuration::from_mins(minutes))
}

impl Schedule {
    /// Reads the `ScheduleExpression` of a rule (`cron(…)`, also without the word around it, as the page of the API writes it, or `rate(…)`) and
    /// its `ScheduleExpressionTimezone` (UTC where there is none).
    pub fn parse(expression: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        let text = expression.trim();
        if text.len() > LONGEST {
            return Err(ScheduleError::Unknown(clipped(text)));
        }
        let kind = if let Some(fields) = inside(text, "cron") {
            Kind::Cron(Cron::parse(fields)?)
        } else if let Some(every) = inside(text, "rate") {
            Kind::Rate(rate(every).ok_or_else(|| ScheduleError::Rate(clipped(text)))?)
        } else if text.contains(['(', ')']) || text.is_empty() {
            return Err(ScheduleError::Unknown(clipped(text)));
        } else {
            Kind::Cron(Cron::parse(text)?)
        };
        let zone = match zone.map(str::trim).filter(|name| !name.is_empty()) {
            None => TimeZone::UTC,
            Some(name) => ZONES.get(name).map_err(|_| ScheduleError::Zone(clipped(name)))?,
        };
        Ok(Self { kind, zone })
    }

    /// The time between two runs of a rate. Since when it counts, AWS does not say: a rate has a pace, but no instants.
    pub fn pace(&self) -> Option<SignedDuration> {
        match &self.kind {
            Kind::Cron(_) => None,
            Kind::Rate(every) => Some(*every),
        }
    }

    /// The first run after `t`; `None` where there is none until the end of 2199, and for a rate.
    pub fn next_after(&self, t: Timestamp) -> Option<Timestamp> {
        let Kind::Cron(cron) = &self.kind else { return None };
        let wall = self.zone.to_datetime(t);
        let steady = self.steady(t);
        // A day before: where clocks are put back over midnight, the date of a later instant may be the earlier one.
        let mut date = if steady { wall.date() } else { wall.date().yesterday().ok()? };
        loop {
            date = cron.day_from(date)?;
            let times = cron.times().filter(|time| !steady || date.to_datetime(*time) > wall);
            if let Some(run) = times.filter_map(|time| self.instant(date, time)).find(|run| *run > t) {
                return Some(run);
            }
            date = date.tomorrow().ok()?;
        }
    }

    /// The last run before `t`; `None` where there is none since 1970, and for a rate.
    pub fn previous_before(&self, t: Timestamp) -> Option<Timestamp> {
        let Kind::Cron(cron) = &self.kind else { return None };
        let wall = self.zone.to_datetime(t);
        let steady = self.steady(t);
        let mut date = if steady { wall.date() } else { wall.date().tomorrow().ok()? };
        loop {
            date = cron.day_until(date)?;
            let times = cron.times().rev().filter(|time| !steady || date.to_datetime(*time) < wall);
            if let Some(run) = times.filter_map(|time| self.instant(date, time)).find(|run| *run < t) {
                return Some(run);
            }
            date = date.yesterday().ok()?;
        }
    }

    /// A time as the clock on the wall shows it, with the zone of the schedule.
    pub fn on_the_wall(&self, t: Timestamp) -> String {
        let wall = self.zone.to_datetime(t);
        let zone = self.zone.iana_name().unwrap_or("UTC");
        format!("{} {:02}:{:02} ({zone})", wall.date(), wall.hour(), wall.minute())
    }

    /// The recovery point objective that a schedule can keep: the longest time between two runs of the [`GAP_YEARS`] from `from` on, by the clock on
    /// the wall (where daylight saving time begins or ends, one of them is an hour longer or shorter). `None` where it runs less than twice in them.
    pub fn largest_gap(&self, from: Timestamp) -> Option<SignedDuration> {
        let cron = match &self.kind {
            Kind::Rate(every) => return Some(*every),
            Kind::Cron(cron) => cron,
        };
        let start = self.date_of(from)?;
        let end = Date::new(start.year().saturating_add(GAP_YEARS).min(LAST_YEAR), 12, 31).ok()?;
        // What comes after that is the same again: every week is like the other, or, but for 2100, every four years are like the next.
        let end = match (cron.is_weekly(), cron.is_yearly() && end.year() < 2100) {
            (true, _) => start.saturating_add(Span::new().days(14)).min(end),
            (_, true) => start.saturating_add(Span::new().years(9)).min(end),
            _ => end,
        };
        let times = cron.times().collect::<Vec<_>>();
        let within = times.iter().zip(times.iter().skip(1)).map(|(earlier, later)| later.duration_since(*earlier)).max();
        let (first, last) = (*times.first()?, *times.last()?);
        let (mut largest, mut before) = (None, None);
        let mut date = start;
        while let Some(day) = cron.day_from(date).filter(|day| *day <= end) {
            let over = before.map(|before: Date| day.to_datetime(first).duration_since(before.to_datetime(last)));
            largest = largest.max(within).max(over);
            before = Some(day);
            let Ok(tomorrow) = day.tomorrow() else { break };
            date = tomorrow;
        }
        largest
    }

    /// Whether no clock is changed about a time, so that the clock on the wall alone tells what is before it and what after.
    fn steady(&self, t: Timestamp) -> bool {
        let offset = self.zone.to_offset(t);
        let same = |other: Result<Timestamp, jiff::Error>| other.is_ok_and(|other| self.zone.to_offset(other) == offset);
        same(t.checked_sub(ABOUT)) && same(t.checked_add(ABOUT))
    }

    fn date_of(&self, t: Timestamp) -> Option<Date> {
        Some(self.zone.to_datetime(t).date())
    }

    /// When the clock on the wall shows a time; `None` where it never does.
    fn instant(&self, date: Date, time: jiff::civil::Time) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(date.to_datetime(time));
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => None,
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        }
    }
}
