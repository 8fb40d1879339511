//! One failed job becomes one alert: parse, gather, decide, act.
