//! Dates as RFC 3339 writes them, from and to the seconds of a clock. In UTC: a cluster has one
//! time and its nodes may have many zones.

use crate::time::WallTime;

const SECONDS_PER_DAY: i64 = 86_400;

/// `2026-03-01T12:00:00.123Z`
pub fn rfc3339(time: WallTime) -> String {
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
    let (year, month, day) = date_of(seconds.div_euclid(SECONDS_PER_DAY));
    let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let millis = time.0 % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Seconds since 1970; the time of day, its seconds and the zone may be left out.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' ']).map_or((text, None), |(d, t)| (d, Some(t)));
    let days = parse_date(date)?;
    let Some(time) = time else {
        return Some(days * SECONDS_PER_DAY);
    };
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let offset = match zone {
        "" | "Z" | "z" => 0,
        _ if zone.starts_with('-') => -parse_clock(&zone[1..])?,
        _ => parse_clock(zone.get(1..)?)?,
    };
    let whole = clock.split_once('.').map_or(clock, |(whole, _)| whole);
    Some(days * SECONDS_PER_DAY + parse_clock(whole)? - offset)
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    let days = days_since_1970(year, month, day);
    // What does not come back as it went in, as the 31st of June, is no date.
    (date_of(days) == (year, month, day)).then_some(days)
}

/// `12:30:05` or `12:30`
fn parse_clock(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hours = digits(parts.next()?, 2).filter(|it| *it < 24)?;
    let minutes = digits(parts.next()?, 2).filter(|it| *it < 60)?;
    let seconds = match parts.next() {
        Some(seconds) => digits(seconds, 2).filter(|it| *it <= 60)?,
        None => 0,
    };
    Some(hours * 3600 + minutes * 60 + seconds)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let are_digits = text.len() == count && text.bytes().all(|it| it.is_ascii_digit());
    if are_digits { text.parse().ok() } else { None }
}

// Both count in eras of 400 years and in years that begin in March, so that the leap day is the
// last of its year: http://howardhinnant.github.io/date_algorithms.html
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn date_of(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_123, "2000-02-29T00:00:00.123Z"),
            (1_700_000_000_000, "2023-11-14T22:13:20.000Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(rfc3339(WallTime(millis)), text);
            assert_eq!(parse_rfc3339(text), i64::try_from(millis / 1000).ok(), "{text}");
        }
    }

    #[test]
    fn shorter_forms_and_zones() {
        let noon = parse_rfc3339("2026-03-01T12:00:00Z");
        assert!(noon.is_some());
        for text in [
            "2026-03-01T12:00",
            "2026-03-01 12:00:00",
            "2026-03-01T13:00:00+01:00",
            "2026-03-01T06:30:00-05:30",
        ] {
            assert_eq!(parse_rfc3339(text), noon, "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-02-29",
            "2026-1-1",
            "2026-01-01T",
            "2026-01-01T24:00",
            "2026-01-01T12:00:00+1",
            "x",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
