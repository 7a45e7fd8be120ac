//! Flags that `service create` and `service update` share. A group changes a specification where
//! it says something, and leaves the rest of it as it is.

mod capabilities;
mod health;
mod kernel;
mod logging;
mod policies;
mod resources;
mod running;

pub(super) use capabilities::CapabilityFlags;
pub(super) use health::HealthFlags;
pub(super) use kernel::KernelFlags;
pub(super) use logging::LogFlags;
pub(super) use policies::{RestartFlags, RollbackPolicyFlags, UpdatePolicyFlags};
pub(super) use resources::ResourceFlags;
pub(super) use running::{RunFlags, words};

/// What was said replaces what was there; an empty word takes it away.
fn put_text(place: &mut Option<String>, said: Option<&String>) {
    if let Some(said) = said {
        *place = Some(said.clone()).filter(|it| !it.is_empty());
    }
}

fn put<T: Clone>(place: &mut T, said: Option<&T>) {
    if let Some(said) = said {
        place.clone_from(said);
    }
}
