//! What of a node's disks and memory the containers of a service see.

use super::{Source, stack_labels};
use crate::model::{self, MountKind, Owner, PathScope};
use crate::problem::{Fault, quote};
use common::container::{
    Access, BindMount, MissingPath, Mount, MountSource, TmpfsMount, VolumeMount, is_volume_name,
};
use common::placeholder::has_placeholders;
use common::volume::VolumePolicy;
use std::collections::BTreeMap;

impl Source<'_> {
    pub(super) fn mounts(&self) -> Vec<Mount> {
        let mounts = self.service.mounts.iter().enumerate();
        mounts.map(|(index, mount)| self.mount(mount, &index.to_string())).collect()
    }

    fn mount(&self, mount: &model::Mount, index: &str) -> Mount {
        let source = match &mount.kind {
            MountKind::Bind { source, scope, create_host_path, propagation } => {
                let path = source.display().to_string();
                if *scope == PathScope::ThisNode && self.around.node.is_none() {
                    self.refuse_lost(&path, index);
                }
                let missing =
                    if *create_host_path { MissingPath::Create } else { MissingPath::Reject };
                let propagation = *propagation;
                MountSource::Bind(BindMount { missing, propagation, ..BindMount::of_path(path) })
            }
            MountKind::Volume { name, nocopy, subpath } => MountSource::Volume(VolumeMount {
                nocopy: *nocopy,
                subpath: subpath.clone(),
                ..self.volume(name)
            }),
            MountKind::Anonymous { nocopy } => {
                MountSource::Volume(VolumeMount { nocopy: *nocopy, ..VolumeMount::default() })
            }
            MountKind::Tmpfs { bytes, mode, options } => MountSource::Tmpfs(TmpfsMount {
                size_bytes: *bytes,
                mode: *mode,
                options: options.clone(),
            }),
        };
        let access = if mount.read_only { Access::ReadOnly } else { Access::ReadWrite };
        Mount { target: mount.target.clone(), access, source }
    }

    /// By the full names of the volumes that say so.
    pub(super) fn volume_policies(&self) -> BTreeMap<String, VolumePolicy> {
        let mounted = self.service.mounts.iter().filter_map(|it| match &it.kind {
            MountKind::Volume { name, .. } => Some(&self.loaded.project.volumes[name]),
            MountKind::Bind { .. } | MountKind::Anonymous { .. } | MountKind::Tmpfs { .. } => None,
        });
        mounted.filter_map(|it| Some((it.owner.name().to_owned(), it.policy?))).collect()
    }

    /// There is no node that has it for certain.
    fn refuse_lost(&self, path: &str, index: &str) {
        let path = quote(path);
        let text = format!("{path} is a folder of this machine, which is no node of the cluster");
        let hint = "make it a config, or give an absolute path that every node has";
        let fault = self.fault(&["volumes", index, "source"], text).hint(hint);
        self.report.borrow_mut().error(fault);
    }

    /// What the name will be is known on the node alone, when it is too late to choose one.
    fn refuse_policy(&self, key: &str, volume: &model::Volume) {
        match volume.policy {
            Some(VolumePolicy::Strict | VolumePolicy::Preferred) => {
                let name = quote(volume.owner.name());
                let text = format!("{name} has placeholders, and holds no task to its node");
                let hint = "take them out of the name, or say `x-volume-policy: none`";
                let at = self.loaded.position(&["volumes", key, "x-volume-policy"]);
                self.report.borrow_mut().error(Fault::new(at, text).hint(hint));
            }
            Some(VolumePolicy::None) | None => {}
        }
    }

    fn volume(&self, key: &str) -> VolumeMount {
        let volume = &self.loaded.project.volumes[key];
        let name = volume.owner.name();
        let at = |below: &str| self.loaded.position(&["volumes", key, below]);
        if has_placeholders(name) {
            self.refuse_policy(key, volume);
        } else if !is_volume_name(name) {
            let text = format!("{} is not the name of a volume", quote(name));
            let hint = "there may be letters, digits, `_`, `.` and `-` in it, two at least";
            self.report.borrow_mut().error(Fault::new(at("name"), text).hint(hint));
        }
        match &volume.owner {
            Owner::External { name } => {
                VolumeMount { name: Some(name.clone()), ..VolumeMount::default() }
            }
            Owner::Stack { name } => VolumeMount {
                name: Some(name.clone()),
                driver: volume.driver.clone(),
                options: volume.driver_options.clone(),
                labels: stack_labels(self.loaded, &volume.labels),
                ..VolumeMount::default()
            },
        }
    }
}
