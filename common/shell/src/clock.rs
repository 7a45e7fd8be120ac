//! The only wall clock, and the only source of chance.

use common::WallTime;
use ring::rand::{SecureRandom, SystemRandom};

pub fn wall() -> WallTime {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock that stands before 1970 is as good as one that stands at its beginning.
    WallTime(since.map_or(0, common::time::millis))
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
