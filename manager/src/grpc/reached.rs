//! What services are once changes are carried out: whoever waits for them can then tell what came
//! of its own command from what others do.

use common::Version;
use common::service::Service;
use manager_core::change::{Batch, Change, Unity};
use manager_core::state::State;
use proto::v1;

/// Changes name the version that they were made for, so that carried out they come to the same.
pub(super) fn after(state: &State, changes: &[Change]) -> State {
    let mut after = state.clone();
    let (stamp, version) = (state.clock(), Version(state.version().0 + 1));
    after.apply(version, &Batch { stamp, unity: Unity::AllOrNothing, changes: changes.to_vec() });
    after
}

pub(super) fn by(service: &Service) -> v1::Reached {
    v1::Reached {
        service: service.id.0,
        number: service.number,
        is_under_way: service.update.as_ref().is_some_and(|it| it.state.is_under_way()),
    }
}
