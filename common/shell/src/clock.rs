//! The only clocks but tokio's, and the only source of chance.

use common::WallTime;
use ring::rand::{SecureRandom, SystemRandom};
use std::time::Duration;

pub fn wall() -> WallTime {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock that stands before 1970 is as good as one that stands at its beginning.
    WallTime(since.map_or(0, common::time::millis))
}

/// Since the machine was started; the time in which it slept included.
pub fn since_boot() -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    now.expect("every kernel that runs containers has this clock").into()
}

pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has random numbers once it has booted");
    bytes
}

/// For identities and delays; secrets are made of [`random_bytes`].
pub fn seed() -> u64 {
    u64::from_le_bytes(random_bytes())
}
