//! `--since` and `--until`.

use common::WallTime;
use common::calendar;
use common::units::parse_duration;
use std::str::FromStr;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Moment {
    Ago(Duration),
    /// Seconds since 1970.
    At(i64),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no point in time: 10m (ago), 2026-03-01T12:00:00Z or seconds since 1970 is expected"
)]
pub(in crate::cli) struct BadMoment(String);

impl FromStr for Moment {
    type Err = BadMoment;
    fn from_str(text: &str) -> Result<Moment, BadMoment> {
        let whole = match text.split_once('.') {
            Some((whole, fraction)) if fraction.bytes().all(|it| it.is_ascii_digit()) => whole,
            Some(_) | None => text,
        };
        if let Ok(seconds) = whole.parse::<i64>() {
            return Ok(Moment::At(seconds));
        }
        if let Some(seconds) = calendar::parse_rfc3339(text) {
            return Ok(Moment::At(seconds));
        }
        parse_duration(text).map(Moment::Ago).map_err(|_| BadMoment(text.to_owned()))
    }
}

impl Moment {
    pub(in crate::cli) fn seconds(self, now: WallTime) -> i64 {
        match self {
            Moment::At(seconds) => seconds,
            Moment::Ago(age) => {
                let then = now.0.saturating_sub(common::time::millis(age)) / 1000;
                i64::try_from(then).unwrap_or(i64::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = WallTime(1_000_000_000_500);
        let cases = [
            ("10m", 1_000_000_000 - 600),
            ("1s", 999_999_999),
            ("1.5h", 1_000_000_000 - 5_400),
            ("1136073600", 1_136_073_600),
            ("1136073600.000000001", 1_136_073_600),
            ("2006-01-01T00:00:00Z", 1_136_073_600),
        ];
        for (text, seconds) in cases {
            assert_eq!(text.parse::<Moment>().map(|it| it.seconds(now)), Ok(seconds), "{text}");
        }
        for text in ["", "yesterday", "2006-13-01T00:00:00Z", "5.x"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
