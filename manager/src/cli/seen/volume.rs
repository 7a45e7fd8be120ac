//! Volumes as the managers answer them.

use super::missing;
use common::{NodeId, Stamp};
use proto::convert::Malformed;
use proto::v1;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct SeenVolume {
    pub(in crate::cli) name: String,
    pub(in crate::cli) driver: String,
    pub(in crate::cli) options: BTreeMap<String, String>,
    pub(in crate::cli) labels: BTreeMap<String, String>,
    pub(in crate::cli) created: Stamp,
    /// Where it belongs comes first.
    pub(in crate::cli) holders: Vec<SeenHolder>,
    /// Those that mount it.
    pub(in crate::cli) services: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct SeenHolder {
    pub(in crate::cli) node: NodeId,
    pub(in crate::cli) node_name: String,
    pub(in crate::cli) since: Stamp,
    pub(in crate::cli) held: Held,
    pub(in crate::cli) is_home: bool,
    pub(in crate::cli) node_is_down: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Held {
    Kept,
    /// Its node is to remove it.
    Leaving,
    /// Its node says that it has none.
    Lost,
}

impl Held {
    pub(in crate::cli) fn as_str(self) -> &'static str {
        match self {
            Held::Kept => "kept",
            Held::Leaving => "removing",
            Held::Lost => "lost",
        }
    }
}

impl SeenHolder {
    pub(in crate::cli) fn is_leaving(&self) -> bool {
        self.held == Held::Leaving
    }
}

impl TryFrom<v1::VolumeView> for SeenVolume {
    type Error = Malformed;
    fn try_from(view: v1::VolumeView) -> Result<SeenVolume, Malformed> {
        Ok(SeenVolume {
            name: view.name,
            driver: view.driver.unwrap_or_else(|| "local".to_owned()),
            options: view.options,
            labels: view.labels,
            created: view.created.map(Stamp::from).unwrap_or_default(),
            holders: super::all(view.holders)?,
            services: view.services,
        })
    }
}

impl TryFrom<v1::Holder> for SeenHolder {
    type Error = Malformed;
    fn try_from(wire: v1::Holder) -> Result<SeenHolder, Malformed> {
        let held = match wire.state() {
            v1::holder::State::Kept => Held::Kept,
            v1::holder::State::Leaving => Held::Leaving,
            v1::holder::State::Lost => Held::Lost,
            v1::holder::State::Unspecified => return Err(missing("holder.state")),
        };
        Ok(SeenHolder {
            node: NodeId(wire.node),
            node_name: wire.node_name,
            since: wire.since.map(Stamp::from).unwrap_or_default(),
            held,
            is_home: wire.is_home,
            node_is_down: wire.node_down,
        })
    }
}
