//! The cron expressions of AWS: six fields, a calendar without time zone.
//!
//! Fields: minutes, hours, day of month, month, day of week (1 = SUN), year (1970 to 2199); wildcards `, - * ? / L W #`
//! (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>). AWS wants a `?` in one of the two day fields; `*` there means
//! the same to us. What AWS does not say and we had to choose: a range that ends before it begins runs over the end (`FRI-MON`, `22-2`); `L`
//! alone in the week is Saturday; `W` never leaves its month; a day that a month does not have is no day.

use std::collections::BTreeSet;

use jiff::civil::{Date, Time};

/// Why a cron expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Too many or too few.
    #[error("{0} fields, 6 are expected")]
    Fields(usize),
    /// A field that is none.
    #[error("`{value}` is no {field}")]
    Field {
        /// Which field.
        field: &'static str,
        /// Its text, at most 64 characters.
        value: String,
    },
    /// Day of month and day of week contradict each other or not; AWS allows only one of them.
    #[error("day of month and day of week are both set")]
    BothDays,
}

/// A calendar of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: BTreeSet<i16>,
    hours: BTreeSet<i16>,
    months: BTreeSet<i16>,
    years: BTreeSet<i16>,
    days: Days,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    Every,
    OfMonth(Vec<MonthDay>),
    OfWeek(Vec<WeekDay>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum MonthDay {
    On(BTreeSet<i16>),
    Last,
    LastWorkday,
    Nearest(i16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum WeekDay {
    On(BTreeSet<i16>),
    Last(i16),
    Nth(i16, i16),
}

/// What a field may hold.
struct Field {
    name: &'static str,
    first: i16,
    last: i16,
    names: &'static [&'static str],
    /// Whether a range may run over the end.
    circular: bool,
}

const MINUTES: Field = Field { name: "minute", first: 0, last: 59, names: &[], circular: true };
const HOURS: Field = Field { name: "hour", first: 0, last: 23, names: &[], circular: true };
const MONTH_DAYS: Field = Field { name: "day of month", first: 1, last: 31, names: &[], circular: true };
const MONTHS: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    circular: true,
};
const WEEK_DAYS: Field =
    Field { name: "day of week", first: 1, last: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], circular: true };
const YEARS: Field = Field { name: "year", first: FIRST_YEAR, last: LAST_YEAR, names: &[], circular: false };

/// The years of AWS' cron expressions.
const FIRST_YEAR: i16 = 1970;
pub(super) const LAST_YEAR: i16 = 2199;
const SATURDAY: i16 = 7;
const SUNDAY: i16 = 1;

impl Field {
    fn wrong(&self, value: &str) -> CronError {
        CronError::Field { field: self.name, value: value.chars().take(64).collect() }
    }

    fn value(&self, text: &str) -> Option<i16> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(n) => i16::try_from(n).ok()?.checked_add(self.first)?,
            // `parse` would take a sign.
            None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok()?,
            None => return None,
        };
        (self.first..=self.last).contains(&number).then_some(number)
    }

    /// One element of a list: `*`, `7`, `1-5`, each with or without `/step`.
    fn element(&self, text: &str) -> Option<BTreeSet<i16>> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
            None => (text, None),
        };
        let (from, until) = match (range, range.split_once('-')) {
            ("*", _) => (self.first, self.last),
            (_, Some((from, until))) => (self.value(from)?, self.value(until)?),
            (_, None) => {
                let from = self.value(range)?;
                (from, if step.is_some() { self.last } else { from })
            }
        };
        let step = step.unwrap_or(1);
        if from <= until {
            return Some((from..=until).step_by(step).collect());
        }
        self.circular.then(|| (from..=self.last).chain(self.first..=until).step_by(step).collect())
    }

    fn read(&self, text: &str) -> Result<BTreeSet<i16>, CronError> {
        let mut all = BTreeSet::new();
        for element in text.split(',') {
            all.extend(self.element(element).ok_or_else(|| self.wrong(text))?);
        }
        Ok(all)
    }
}

fn month_day(text: &str) -> Option<MonthDay> {
    match text.to_ascii_uppercase().as_str() {
        "L" => Some(MonthDay::Last),
        "LW" | "WL" => Some(MonthDay::LastWorkday),
        upper => match upper.strip_suffix('W') {
            Some(day) => MONTH_DAYS.value(day).map(MonthDay::Nearest),
            None => MONTH_DAYS.element(upper).map(MonthDay::On),
        },
    }
}

fn week_day(text: &str) -> Option<WeekDay> {
    let upper = text.to_ascii_uppercase();
    if upper == "L" {
        return Some(WeekDay::On(BTreeSet::from([SATURDAY])));
    }
    if let Some((day, nth)) = upper.split_once('#') {
        let nth = nth.parse::<i16>().ok().filter(|nth| (1..=5).contains(nth))?;
        return WEEK_DAYS.value(day).map(|day| WeekDay::Nth(day, nth));
    }
    match upper.strip_suffix('L') {
        Some(day) => WEEK_DAYS.value(day).map(WeekDay::Last),
        None => WEEK_DAYS.element(&upper).map(WeekDay::On),
    }
}

fn days(of_month: &str, of_week: &str) -> Result<Days, CronError> {
    match (matches!(of_month, "?" | "*"), matches!(of_week, "?" | "*")) {
        (true, true) => Ok(Days::Every),
        (false, false) => Err(CronError::BothDays),
        (false, true) => {
            let days = of_month.split(',').map(month_day).collect::<Option<_>>();
            days.map(Days::OfMonth).ok_or_else(|| MONTH_DAYS.wrong(of_month))
        }
        (true, false) => {
            let days = of_week.split(',').map(week_day).collect::<Option<_>>();
            days.map(Days::OfWeek).ok_or_else(|| WEEK_DAYS.wrong(of_week))
        }
    }
}

impl Cron {
    /// Reads the six fields.
    pub(super) fn parse(text: &str) -> Result<Self, CronError> {
        let fields = text.split_ascii_whitespace().collect::<Vec<_>>();
        let [minutes, hours, of_month, months, of_week, years] = fields.as_slice() else {
            return Err(CronError::Fields(fields.len()));
        };
        Ok(Self {
            minutes: MINUTES.read(minutes)?,
            hours: HOURS.read(hours)?,
            months: MONTHS.read(months)?,
            years: YEARS.read(years)?,
            days: days(of_month, of_week)?,
        })
    }

    /// The times of a day that has any, in their order.
    pub(super) fn times(&self) -> impl DoubleEndedIterator<Item = Time> {
        self.hours
            .iter()
            .flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)))
            .filter_map(|(hour, minute)| Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok())
    }

    /// Whether every week is like the other: two of them tell everything.
    pub(super) fn is_weekly(&self) -> bool {
        let days = match &self.days {
            Days::Every => true,
            Days::OfMonth(_) => false,
            Days::OfWeek(days) => days.iter().all(|day| matches!(day, WeekDay::On(_))),
        };
        days && self.months.len() == 12 && self.is_of_every_year()
    }

    /// Whether only the length of the months tells one year from the other, and not the days of the week.
    pub(super) fn is_yearly(&self) -> bool {
        let days = match &self.days {
            Days::Every => true,
            Days::OfMonth(days) => days.iter().all(|day| matches!(day, MonthDay::On(_) | MonthDay::Last)),
            Days::OfWeek(_) => false,
        };
        days && self.is_of_every_year()
    }

    fn is_of_every_year(&self) -> bool {
        self.years.iter().copied().eq(FIRST_YEAR..=LAST_YEAR)
    }

    /// The first day from `date` on that has times.
    pub(super) fn day_from(&self, mut date: Date) -> Option<Date> {
        loop {
            let year = *self.years.range(date.year()..).next()?;
            if year > date.year() {
                date = Date::new(year, 1, 1).ok()?;
            }
            if !self.months.contains(&i16::from(date.month())) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.has(date) {
                return Some(date);
            } else {
                date = date.tomorrow().ok()?;
            }
        }
    }

    /// The last day until `date` that has times.
    pub(super) fn day_until(&self, mut date: Date) -> Option<Date> {
        loop {
            let year = *self.years.range(..=date.year()).next_back()?;
            if year < date.year() {
                date = Date::new(year, 12, 31).ok()?;
            }
            if !self.months.contains(&i16::from(date.month())) {
                date = date.first_of_month().yesterday().ok()?;
            } else if self.has(date) {
                return Some(date);
            } else {
                date = date.yesterday().ok()?;
            }
        }
    }

    /// Whether a day of a month and year that fit is among the days.
    fn has(&self, date: Date) -> bool {
        match &self.days {
            Days::Every => true,
            Days::OfMonth(days) => days.iter().any(|day| match day {
                MonthDay::On(days) => days.contains(&i16::from(date.day())),
                MonthDay::Last => date.day() == date.days_in_month(),
                MonthDay::LastWorkday => nearest(date, i16::from(date.days_in_month())) == Some(i16::from(date.day())),
                MonthDay::Nearest(day) => nearest(date, *day) == Some(i16::from(date.day())),
            }),
            Days::OfWeek(days) => days.iter().any(|day| match day {
                WeekDay::On(days) => days.contains(&weekday(date)),
                WeekDay::Last(day) => weekday(date) == *day && date.day() + 7 > date.days_in_month(),
                WeekDay::Nth(day, nth) => weekday(date) == *day && (i16::from(date.day()) + 6) / 7 == *nth,
            }),
        }
    }
}

/// 1 = Sunday.
fn weekday(date: Date) -> i16 {
    i16::from(date.weekday().to_sunday_one_offset())
}

/// The workday of the month of `date` that is nearest to a day of it.
fn nearest(date: Date, day: i16) -> Option<i16> {
    let wanted = Date::new(date.year(), date.month(), i8::try_from(day).ok()?).ok()?;
    let last = i16::from(date.days_in_month());
    Some(match weekday(wanted) {
        SATURDAY if day > 1 => day - 1,
        SATURDAY => day + 2,
        SUNDAY if day < last => day + 1,
        SUNDAY => day - 2,
        _ => day,
    })
}
