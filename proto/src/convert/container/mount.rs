//! What of a node's disks and memory a container sees.

use crate::convert::{Malformed, enums, required, specified_if_any};
use crate::v1;
use crate::v1::mount::bind;
use common::container::{
    Access, BindMount, MissingPath, Mount, MountSource, Propagation, Recursion, TmpfsMount,
    VolumeMount,
};

enums! {
    "bind.missing": bind::MissingPath = MissingPath { Reject Create }
    "bind.propagation": bind::Propagation = Propagation {
        Private RecursivePrivate Shared RecursiveShared Slave RecursiveSlave
    }
    "bind.recursion": bind::Recursion = Recursion { Enabled Disabled Writable ReadOnly }
}

impl TryFrom<v1::Mount> for Mount {
    type Error = Malformed;
    fn try_from(wire: v1::Mount) -> Result<Mount, Malformed> {
        Ok(Mount {
            target: wire.target,
            access: if wire.read_only { Access::ReadOnly } else { Access::ReadWrite },
            source: required(wire.source, "mount.source")?,
        })
    }
}

impl From<&Mount> for v1::Mount {
    fn from(mount: &Mount) -> v1::Mount {
        v1::Mount {
            target: mount.target.clone(),
            read_only: mount.access == Access::ReadOnly,
            source: Some((&mount.source).into()),
        }
    }
}

impl TryFrom<v1::mount::Source> for MountSource {
    type Error = Malformed;
    fn try_from(wire: v1::mount::Source) -> Result<MountSource, Malformed> {
        Ok(match wire {
            v1::mount::Source::Bind(bind) => MountSource::Bind(bind.try_into()?),
            v1::mount::Source::Volume(volume) => MountSource::Volume(volume.into()),
            v1::mount::Source::Tmpfs(v1::mount::Tmpfs { size_bytes, mode, options }) => {
                MountSource::Tmpfs(TmpfsMount { size_bytes, mode, options })
            }
        })
    }
}

impl From<&MountSource> for v1::mount::Source {
    fn from(source: &MountSource) -> Self {
        match source {
            MountSource::Bind(bind) => Self::Bind(bind.into()),
            MountSource::Volume(volume) => Self::Volume(volume.into()),
            MountSource::Tmpfs(tmpfs) => {
                let TmpfsMount { size_bytes, mode, options } = tmpfs.clone();
                Self::Tmpfs(v1::mount::Tmpfs { size_bytes, mode, options })
            }
        }
    }
}

impl TryFrom<v1::mount::Bind> for BindMount {
    type Error = Malformed;
    fn try_from(wire: v1::mount::Bind) -> Result<BindMount, Malformed> {
        Ok(BindMount {
            missing: specified_if_any::<bind::MissingPath, _>(wire.missing, "bind.missing")?
                .unwrap_or_default(),
            propagation: specified_if_any::<bind::Propagation, _>(
                wire.propagation,
                "bind.propagation",
            )?,
            recursion: specified_if_any::<bind::Recursion, _>(wire.recursion, "bind.recursion")?
                .unwrap_or_default(),
            path: wire.path,
        })
    }
}

impl From<&BindMount> for v1::mount::Bind {
    fn from(mount: &BindMount) -> v1::mount::Bind {
        v1::mount::Bind {
            path: mount.path.clone(),
            missing: Some(bind::MissingPath::from(mount.missing).into()),
            propagation: mount.propagation.map(|it| bind::Propagation::from(it).into()),
            recursion: Some(bind::Recursion::from(mount.recursion).into()),
        }
    }
}

impl From<v1::mount::Volume> for VolumeMount {
    fn from(wire: v1::mount::Volume) -> VolumeMount {
        let v1::mount::Volume { name, driver, options, labels, nocopy, subpath } = wire;
        VolumeMount { name, driver, options, labels, nocopy, subpath }
    }
}

impl From<&VolumeMount> for v1::mount::Volume {
    fn from(mount: &VolumeMount) -> v1::mount::Volume {
        let VolumeMount { name, driver, options, labels, nocopy, subpath } = mount.clone();
        v1::mount::Volume { name, driver, options, labels, nocopy, subpath }
    }
}
