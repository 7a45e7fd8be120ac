//! How services are updated, and how far an update is.

use super::{Malformed, enums, required, specified};
use crate::v1;
use common::task::Failure;
use common::time::millis;
use common::update::{
    FailureAction, Ratio, Update, UpdateOrder, UpdatePolicy, UpdateState, UpdateTrouble,
};
use common::{Stamp, TaskId};
use std::time::Duration;

enums! {
    "update.on_failure": v1::update_policy::FailureAction = FailureAction { Pause Continue Rollback }
    "update.order": v1::update_policy::UpdateOrder = UpdateOrder { StopFirst StartFirst }
    "update.state": v1::update::UpdateState = UpdateState {
        Updating Paused Completed RollingBack RollbackPaused RolledBack
    }
}

impl TryFrom<v1::UpdatePolicy> for UpdatePolicy {
    type Error = Malformed;
    fn try_from(wire: v1::UpdatePolicy) -> Result<UpdatePolicy, Malformed> {
        use v1::update_policy::{FailureAction as Action, UpdateOrder as Order};
        Ok(UpdatePolicy {
            parallelism: wire.parallelism,
            delay: Duration::from_millis(wire.delay_millis),
            on_failure: specified::<Action, _>(wire.on_failure, "update.on_failure")?,
            monitor: Duration::from_millis(wire.monitor_millis),
            failure_ratio_max: Ratio(wire.failure_ratio_max_millionths),
            order: specified::<Order, _>(wire.order, "update.order")?,
            progress_deadline: Duration::from_millis(wire.progress_deadline_millis),
        })
    }
}

impl From<&UpdatePolicy> for v1::UpdatePolicy {
    fn from(policy: &UpdatePolicy) -> v1::UpdatePolicy {
        use v1::update_policy::{FailureAction as Action, UpdateOrder as Order};
        v1::UpdatePolicy {
            parallelism: policy.parallelism,
            delay_millis: millis(policy.delay),
            on_failure: Action::from(policy.on_failure).into(),
            monitor_millis: millis(policy.monitor),
            failure_ratio_max_millionths: policy.failure_ratio_max.0,
            order: Order::from(policy.order).into(),
            progress_deadline_millis: millis(policy.progress_deadline),
        }
    }
}

impl TryFrom<v1::Update> for Update {
    type Error = Malformed;
    fn try_from(wire: v1::Update) -> Result<Update, Malformed> {
        Ok(Update {
            state: specified::<v1::update::UpdateState, _>(wire.state, "update.state")?,
            started: required::<_, Stamp>(wire.started, "update.started")?,
            since: required::<_, Stamp>(wire.since, "update.since")?,
            base: wire.base,
            trouble: wire.trouble.map(UpdateTrouble::try_from).transpose()?,
        })
    }
}

impl From<&Update> for v1::Update {
    fn from(update: &Update) -> v1::Update {
        v1::Update {
            state: v1::update::UpdateState::from(update.state).into(),
            started: Some((&update.started).into()),
            since: Some((&update.since).into()),
            base: update.base,
            trouble: update.trouble.as_ref().map(v1::UpdateTrouble::from),
        }
    }
}

impl TryFrom<v1::UpdateTrouble> for UpdateTrouble {
    type Error = Malformed;
    fn try_from(wire: v1::UpdateTrouble) -> Result<UpdateTrouble, Malformed> {
        use v1::update_trouble::Of;
        Ok(match wire.of.ok_or_else(|| Malformed::missing("update.trouble"))? {
            Of::TasksFailed(it) => UpdateTrouble::TasksFailed {
                slots: it.slots,
                of: it.of,
                task: TaskId(it.task),
                failure: it.failure.map(Failure::try_from).transpose()?,
            },
            Of::NobodyHasImage(image) => UpdateTrouble::NobodyHasImage { image },
            Of::NoProgressMillis(millis) => {
                UpdateTrouble::NoProgress { for_at_least: Duration::from_millis(millis) }
            }
        })
    }
}

impl From<&UpdateTrouble> for v1::UpdateTrouble {
    fn from(trouble: &UpdateTrouble) -> v1::UpdateTrouble {
        use v1::update_trouble::{Of, TasksFailed};
        let of = match trouble {
            UpdateTrouble::TasksFailed { slots, of, task, failure } => {
                Of::TasksFailed(TasksFailed {
                    slots: *slots,
                    of: *of,
                    task: task.0,
                    failure: failure.as_ref().map(v1::Failure::from),
                })
            }
            UpdateTrouble::NobodyHasImage { image } => Of::NobodyHasImage(image.clone()),
            UpdateTrouble::NoProgress { for_at_least } => {
                Of::NoProgressMillis(millis(*for_at_least))
            }
        };
        v1::UpdateTrouble { of: Some(of) }
    }
}
