//! How long to wait before trying again.

use std::time::Duration;

/// Doubles from `first` up to `most`; the caller gives the random number that spreads the crowd.
pub fn delay(first: Duration, most: Duration, attempt: u32, random: u64) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(attempt.min(16)).unwrap_or(u32::MAX));
    let full = doubled.min(most);
    // Between half and all of it, so that many who failed together do not come back together.
    let half = full / 2;
    let spread = crate::time::millis(half).max(1);
    half + Duration::from_millis(random % spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_ends_at_the_most() {
        let (first, most) = (Duration::from_millis(100), Duration::from_secs(1));
        assert_eq!(delay(first, most, 0, 0), Duration::from_millis(50));
        assert_eq!(delay(first, most, 3, 0), Duration::from_millis(400));
        assert_eq!(delay(first, most, 60, 0), Duration::from_millis(500));
        assert!(delay(first, most, 60, u64::MAX) <= most);
    }
}
