//! Numbers with units, as Docker's command line reads and prints them.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub struct BadQuantity {
    pub given: String,
    pub expected: &'static str,
}

const BYTE_UNITS: [(&str, u32); 5] = [("b", 0), ("k", 10), ("m", 20), ("g", 30), ("t", 40)];

/// `64m`, `1.5GiB`, `1073741824`; powers of 1024 throughout, as Docker has it.
pub fn parse_bytes(text: &str) -> Result<u64, BadQuantity> {
    let wrong =
        || BadQuantity { given: text.to_owned(), expected: "a size such as 64m, 1.5g or 1GiB" };
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let unit = unit.trim();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit);
    let unit = if unit.is_empty() { "b" } else { unit };
    let (_, shift) = BYTE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    if number.contains('.') {
        let value: f64 = number.parse().map_err(|_| wrong())?;
        let bytes = value * f64::from(*shift).exp2();
        return if bytes < 9e18 { Ok(bytes as u64) } else { Err(wrong()) };
    }
    let value: u64 = number.parse().map_err(|_| wrong())?;
    value.checked_mul(1 << shift).ok_or_else(wrong)
}

/// `1.5` processors as billionths.
pub fn parse_cpus(text: &str) -> Result<u64, BadQuantity> {
    let wrong =
        || BadQuantity { given: text.to_owned(), expected: "a number of CPUs such as 0.5 or 2" };
    let cpus: f64 = text.trim().parse().map_err(|_| wrong())?;
    if !cpus.is_finite() || !(0.0..=1e6).contains(&cpus) {
        return Err(wrong());
    }
    Ok((cpus * 1e9).round() as u64)
}

const DURATION_UNITS: [(&str, f64); 7] = [
    // Longer names first: `ms` must not be read as minutes.
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("h", 3600.0),
    ("m", 60.0),
    ("s", 1.0),
];

/// `1m30s`, `500ms`, `0`: durations as Go prints them.
pub fn parse_duration(text: &str) -> Result<Duration, BadQuantity> {
    let wrong = || BadQuantity {
        given: text.to_owned(),
        expected: "a duration such as 10s, 1m30s or 500ms",
    };
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let value: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let (unit, factor) =
            DURATION_UNITS.iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(wrong)?;
        seconds += value * factor;
        rest = &rest[unit.len()..];
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// `1.5GiB`, as Docker prints memory.
pub fn display_bytes(bytes: u64) -> impl fmt::Display {
    let unit = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)]
        .into_iter()
        .find(|(_, shift)| bytes >= 1 << shift);
    match unit {
        Some((name, shift)) => {
            let value = bytes as f64 / (1_u64 << shift) as f64;
            format!("{}{name}", (value * 100.0).round() / 100.0)
        }
        None => format!("{bytes}B"),
    }
}

/// `10s`, `1m30s`, `500ms`: what [`parse_duration`] reads back.
pub fn display_duration(duration: Duration) -> impl fmt::Display {
    let millis = duration.as_millis();
    if !millis.is_multiple_of(1000) {
        return if millis < 1000 {
            format!("{millis}ms")
        } else {
            format!("{}s", duration.as_secs_f64())
        };
    }
    let seconds = millis / 1000;
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// `3 seconds`, `About a minute`, `2 hours`: ages in Docker's words, which scripts parse.
pub fn display_age(age: Duration) -> String {
    let seconds = age.as_secs();
    let minutes = seconds / 60;
    let hours = (age.as_secs_f64() / 3600.0).round() as u64;
    match (seconds, minutes, hours) {
        (0, _, _) => "Less than a second".to_owned(),
        (1, _, _) => "1 second".to_owned(),
        (2..60, _, _) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, 2..60, _) => format!("{minutes} minutes"),
        (_, _, 1) => "About an hour".to_owned(),
        (_, _, 2..48) => format!("{hours} hours"),
        (_, _, 48..336) => format!("{} days", hours / 24),
        (_, _, 336..1440) => format!("{} weeks", hours / 24 / 7),
        (_, _, 1440..17520) => format!("{} months", hours / 24 / 30),
        (_, _, _) => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("64m", 64 << 20), ("1.5g", 3 << 29), ("1GiB", 1 << 30), ("7", 7), ("2kb", 2048)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "m", "64x", "-1", "1..5g", "99999999999t", "1e3"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert_eq!(display_bytes(3 << 29).to_string(), "1.5GiB");
    }

    #[test]
    fn durations() {
        for (text, millis) in [("1m30s", 90_000), ("500ms", 500), ("0", 0), ("1.5h", 5_400_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "5x", "1e400s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(display_duration(Duration::from_secs(90)).to_string(), "1m30s");
    }

    #[test]
    fn ages_are_docker_s_words() {
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (200, "3 minutes"),
            (3_600, "About an hour"),
            (7_300, "2 hours"),
            (3 * 86_400, "3 days"),
        ];
        for (seconds, words) in cases {
            assert_eq!(display_age(Duration::from_secs(seconds)), words);
        }
    }
}
