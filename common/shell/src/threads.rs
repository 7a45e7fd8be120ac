//! The threads a program runs on.

use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::time::Instant;

/// How finely the wheel of tokio's timers is divided where they end later than the next notch.
const NOTCH: Duration = Duration::from_millis(64);

/// When the wheel began to turn.
static BEGUN: OnceLock<Instant> = OnceLock::new();

/// One thread does: the work is waiting, a board has few cores, and a second thread would be
/// woken along with the first.
pub fn runtime() -> std::io::Result<Runtime> {
    BEGUN.get_or_init(Instant::now);
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Runs what may take long; everything else goes on meanwhile, on another thread.
pub fn at_length<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|it| it.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // Tests have a runtime of one kind of thread or none, and nothing that takes long.
        Ok(_) | Err(_) => work(),
    }
}

/// The notch of the wheel next to this moment. A timer that ends between two notches wakes its
/// thread twice, at the notch before and at its end; what comes again and again and is in no
/// hurry had better end on one.
pub fn at_notch(moment: Instant) -> Instant {
    match BEGUN.get() {
        Some(begun) => *begun + nearest_notch(moment - *begun),
        None => moment,
    }
}

fn nearest_notch(since_begun: Duration) -> Duration {
    let millis = common::time::millis(since_begun + NOTCH / 2);
    Duration::from_millis(millis - millis % common::time::millis(NOTCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_notch() {
        let notch = |millis| nearest_notch(Duration::from_millis(millis)).as_millis();
        assert_eq!([0, 31, 32, 64, 95, 96, 500].map(notch), [0, 0, 64, 64, 64, 128, 512]);
    }

    #[test]
    fn what_takes_long_runs_wherever_it_is_asked_to() {
        assert_eq!(at_length(|| 1), 1);
        let runtime = runtime().expect("threads can be started");
        assert_eq!(runtime.block_on(async { at_length(|| 2) }), 2);
    }
}
