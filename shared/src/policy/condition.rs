//! Condition operators.
//!
//! All operators and all keys of a block must hold; of the values of one key one must hold, or, for a negated operator, none may be equal.
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>)

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;

use super::arn::arn_matches;
use super::context::{Context, Lookup};
use super::tri::Tri;
use super::wildcard::{self, Pattern, Reading};

/// One operator on one key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    quantifier: Quantifier,
    operator: Operator,
    if_exists: bool,
    /// As written, for the reasons.
    pub(crate) written: String,
    pub(crate) key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    Plain,
    All,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operator {
    test: Test,
    negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    String { wildcards: bool, fold: bool },
    Arn,
    Bool,
    Number(Order),
    Date(Order),
    Address,
    Binary,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

fn operator(name: &str) -> Option<Operator> {
    use Order::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    let string = |wildcards, fold| Test::String { wildcards, fold };
    let (test, negated) = match name {
        "stringequals" => (string(false, false), false),
        "stringnotequals" => (string(false, false), true),
        "stringequalsignorecase" => (string(false, true), false),
        "stringnotequalsignorecase" => (string(false, true), true),
        "stringlike" => (string(true, false), false),
        "stringnotlike" => (string(true, false), true),
        "arnequals" | "arnlike" => (Test::Arn, false),
        "arnnotequals" | "arnnotlike" => (Test::Arn, true),
        "bool" => (Test::Bool, false),
        "numericequals" => (Test::Number(Equal), false),
        "numericnotequals" => (Test::Number(Equal), true),
        "numericlessthan" => (Test::Number(Less), false),
        "numericlessthanequals" => (Test::Number(LessOrEqual), false),
        "numericgreaterthan" => (Test::Number(Greater), false),
        "numericgreaterthanequals" => (Test::Number(GreaterOrEqual), false),
        "dateequals" => (Test::Date(Equal), false),
        "datenotequals" => (Test::Date(Equal), true),
        "datelessthan" => (Test::Date(Less), false),
        "datelessthanequals" => (Test::Date(LessOrEqual), false),
        "dategreaterthan" => (Test::Date(Greater), false),
        "dategreaterthanequals" => (Test::Date(GreaterOrEqual), false),
        "ipaddress" => (Test::Address, false),
        "notipaddress" => (Test::Address, true),
        "binaryequals" => (Test::Binary, false),
        "null" => (Test::Null, false),
        _ => return None,
    };
    Some(Operator { test, negated })
}

impl Condition {
    pub(crate) fn read(written: &str, key: &str, values: &Value) -> Result<Self, String> {
        let name = written.to_lowercase();
        let (quantifier, name) = if let Some(rest) = name.strip_prefix("forallvalues:") {
            (Quantifier::All, rest)
        } else if let Some(rest) = name.strip_prefix("foranyvalue:") {
            (Quantifier::Any, rest)
        } else {
            (Quantifier::Plain, name.as_str())
        };
        let (name, if_exists) = name.strip_suffix("ifexists").map_or((name, false), |rest| (rest, true));
        let operator = operator(name).ok_or_else(|| format!("`{written}` is not a condition operator"))?;
        if if_exists && operator.test == Test::Null {
            return Err("`Null` has no `IfExists` form".to_owned());
        }
        let values = texts(values).ok_or_else(|| format!("the values of `{written}` `{key}` cannot be read"))?;
        Ok(Self { quantifier, operator, if_exists, written: written.to_owned(), key: key.to_owned(), values })
    }

    /// Whether the condition holds; `open` gets the condition keys and the undocumented points it depends on.
    pub(crate) fn holds(&self, context: &Context, variables: bool, open: &mut Vec<String>) -> Tri {
        let before = open.len();
        let holds = self.weigh(context, variables, open);
        if holds != Tri::Maybe {
            open.truncate(before);
        }
        holds
    }

    fn weigh(&self, context: &Context, variables: bool, open: &mut Vec<String>) -> Tri {
        let found = context.get(&self.key);
        if self.operator.test == Test::Null {
            let asked = |absent: &str| self.values.iter().any(|value| value.eq_ignore_ascii_case(absent));
            let (if_absent, if_present) = (asked("true"), asked("false"));
            return match found {
                Lookup::Unknown if if_absent != if_present => {
                    open.push(self.key.clone());
                    Tri::Maybe
                }
                Lookup::Unknown | Lookup::Absent | Lookup::Many([]) => if_absent.into(),
                Lookup::One(_) | Lookup::Many(_) => if_present.into(),
            };
        }
        match (found, self.quantifier) {
            (Lookup::Unknown, _) => {
                open.push(self.key.clone());
                Tri::Maybe
            }
            // Undocumented: whether an absent key satisfies `ForAnyValue:…IfExists`.
            (Lookup::Absent | Lookup::Many([]), Quantifier::Any) if self.if_exists => {
                open.push(format!("`{}` on the absent `{}`", self.written, self.key));
                Tri::Maybe
            }
            (Lookup::Absent, Quantifier::Any) => Tri::No,
            (Lookup::Absent, Quantifier::All) => Tri::Yes,
            (Lookup::Absent, Quantifier::Plain) => (self.if_exists || self.operator.negated).into(),
            (Lookup::One(value), _) => self.satisfied(value, context, variables, open),
            // A key without values is there and is not: an operator that an absent key would satisfy is undocumented here.
            (Lookup::Many([]), Quantifier::Plain) if self.if_exists || self.operator.negated => {
                open.push(format!("`{}` on `{}` without values", self.written, self.key));
                Tri::Maybe
            }
            // A plain operator reads one value; a key with several needs a set operator and matches no plain one, negated or not.
            (Lookup::Many(_), Quantifier::Plain) => Tri::No,
            (Lookup::Many(values), Quantifier::All) => {
                values.iter().fold(Tri::Yes, |so_far, value| so_far.and(self.satisfied(value, context, variables, open)))
            }
            (Lookup::Many(values), Quantifier::Any) => {
                values.iter().fold(Tri::No, |so_far, value| so_far.or(self.satisfied(value, context, variables, open)))
            }
        }
    }

    /// Whether one value of the request satisfies the operator.
    fn satisfied(&self, value: &str, context: &Context, variables: bool, open: &mut Vec<String>) -> Tri {
        let one_equal = self.values.iter().fold(Tri::No, |so_far, wanted| {
            if so_far == Tri::Yes { so_far } else { so_far.or(self.compare(wanted, value, context, variables, open)) }
        });
        if self.operator.negated { !one_equal } else { one_equal }
    }

    fn compare(&self, wanted: &str, value: &str, context: &Context, variables: bool, open: &mut Vec<String>) -> Tri {
        let (wildcards, fold) = match self.operator.test {
            Test::String { wildcards, fold } => (wildcards, fold),
            Test::Arn => (true, false),
            _ => (false, false),
        };
        let tokens = match wildcard::pattern(wanted, Reading { wildcards, variables, fold }, context) {
            Pattern::Tokens(tokens) => tokens,
            Pattern::NoValue => return Tri::No,
            Pattern::Unknown(key) => {
                open.push(key);
                return Tri::Maybe;
            }
        };
        match self.operator.test {
            Test::String { fold: true, .. } => tokens.matches(&wildcard::folded(value)).into(),
            Test::String { .. } => tokens.matches(value).into(),
            Test::Arn => match arn_matches(&tokens, value) {
                Some(matched) => matched,
                // What a negated operator does with a pattern that is no ARN is undocumented.
                None if self.operator.negated => {
                    open.push(format!("`{}` with a value that is no ARN", self.written));
                    Tri::Maybe
                }
                None => Tri::No,
            },
            test => {
                let wanted = tokens.text();
                match test {
                    Test::Bool => boolean(wanted).is_some_and(|wanted| boolean(value) == Some(wanted)).into(),
                    Test::Number(order) => ordered(number(value), number(wanted), order),
                    Test::Date(order) => ordered(date(value), date(wanted), order),
                    Test::Address => in_network(value, wanted).into(),
                    Test::Binary => (value.trim_end_matches('=') == wanted.trim_end_matches('=')).into(),
                    Test::String { .. } | Test::Arn | Test::Null => Tri::No,
                }
            }
        }
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match value {
        Value::Array(items) => items.iter().map(one).collect(),
        _ => one(value).map(|text| vec![text]),
    }
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// ISO 8601 or seconds since 1970, as seconds.
fn date(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some(seconds) = number(text) {
        return Some(seconds);
    }
    let read = |text: String| text.parse::<Timestamp>().ok();
    // Without a zone: UTC. Without a time of day: midnight.
    let time = read(text.to_owned()).or_else(|| read(format!("{text}Z"))).or_else(|| read(format!("{text}T00:00:00Z")))?;
    #[expect(clippy::cast_precision_loss, reason = "microseconds of any date up to the year 2255 fit into the 53 bits of a double")]
    let microseconds = time.as_microsecond() as f64;
    Some(microseconds / 1e6)
}

fn ordered(value: Option<f64>, wanted: Option<f64>, order: Order) -> Tri {
    let (Some(value), Some(wanted)) = (value, wanted) else { return Tri::No };
    match order {
        #[expect(clippy::float_cmp, reason = "equality of the written numbers is what the operator asks for")]
        Order::Equal => value == wanted,
        Order::Less => value < wanted,
        Order::LessOrEqual => value <= wanted,
        Order::Greater => value > wanted,
        Order::GreaterOrEqual => value >= wanted,
    }
    .into()
}

fn in_network(address: &str, network: &str) -> bool {
    let (base, bits) = network.split_once('/').map_or((network, None), |(base, bits)| (base, Some(bits)));
    let (Ok(address), Ok(base)) = (address.trim().parse::<IpAddr>(), base.trim().parse::<IpAddr>()) else { return false };
    let (address, base, width) = match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => (u128::from(u32::from(address)), u128::from(u32::from(base)), 32),
        (IpAddr::V6(address), IpAddr::V6(base)) => (u128::from(address), u128::from(base), 128),
        _ => return false,
    };
    let bits = match bits.map(|bits| if bits.starts_with('+') { None } else { bits.parse::<u32>().ok() }) {
        None => width,
        Some(Some(bits)) if bits <= width => bits,
        Some(_) => return false,
    };
    let ignored = width - bits;
    ignored >= 128 || address >> ignored == base >> ignored
}
