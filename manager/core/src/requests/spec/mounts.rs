//! What of a node's disks and memory a container may see.

use super::{Checked, refuse_if};
use common::container::{
    Access, BindMount, Mount, MountSource, Propagation, Recursion, TmpfsMount, VolumeMount,
    is_volume_name,
};
use std::collections::BTreeSet;

pub(super) fn check(mounts: &[Mount]) -> Checked {
    let mut targets = BTreeSet::new();
    for mount in mounts {
        let target = &mount.target;
        let bare = target.trim_end_matches('/');
        refuse_if([
            (!target.starts_with('/'), &|| {
                format!("mount target `{target}` is not an absolute path")
            }),
            (bare.is_empty(), &|| "nothing can be mounted over `/`".to_owned()),
            (!targets.insert(bare), &|| format!("two mounts have the target `{target}`")),
        ])?;
        match &mount.source {
            MountSource::Bind(bind) => check_bind(mount.access, bind)?,
            MountSource::Volume(volume) => check_volume(volume)?,
            MountSource::Tmpfs(tmpfs) => check_tmpfs(tmpfs)?,
        }
    }
    Ok(())
}

fn check_bind(access: Access, bind: &BindMount) -> Checked {
    let path = &bind.path;
    let wants_read_only = match bind.recursion {
        Recursion::Enabled | Recursion::Disabled => false,
        Recursion::Writable | Recursion::ReadOnly => true,
    };
    let is_private = bind.propagation.is_none_or(|it| it == Propagation::RecursivePrivate);
    let recursion = bind.recursion.as_str();
    refuse_if([
        (!path.starts_with('/'), &|| format!("bind source `{path}` is not an absolute path")),
        (wants_read_only && access == Access::ReadWrite, &|| {
            format!("bind-recursive={recursion} is for mounts that are read-only")
        }),
        (bind.recursion == Recursion::ReadOnly && !is_private, &|| {
            "bind-recursive=readonly goes with bind-propagation=rprivate only".to_owned()
        }),
    ])
}

fn check_volume(volume: &VolumeMount) -> Checked {
    let name = volume.name.as_deref();
    if let Some(name) = name.filter(|it| !is_volume_name(it)) {
        return Err(format!(
            "`{name}` is not the name of a volume: letters, digits, `_`, `.` and `-`, two at least"
        ));
    }
    let Some(subpath) = &volume.subpath else { return Ok(()) };
    let is_inside = !subpath.starts_with('/') && subpath.split('/').all(|it| it != "..");
    refuse_if([
        (name.is_none(), &|| "a new volume has no subpath to mount".to_owned()),
        (subpath.is_empty() || !is_inside, &|| {
            format!("the subpath `{subpath}` is not a path within the volume")
        }),
    ])
}

/// As the engine knows them.
const TMPFS_FLAGS: [&str; 25] = [
    "async",
    "atime",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "private",
    "relatime",
    "rprivate",
    "rw",
    "ro",
    "shared",
    "strictatime",
    "suid",
    "sync",
];
const TMPFS_SETTINGS: [&str; 7] = ["gid", "mode", "mpol", "nr_blocks", "nr_inodes", "size", "uid"];

fn check_tmpfs(tmpfs: &TmpfsMount) -> Checked {
    let is_known = |option: &str| match option.split_once('=') {
        Some((name, value)) => TMPFS_SETTINGS.contains(&name) && !value.is_empty(),
        None => TMPFS_FLAGS.contains(&option),
    };
    let odd = tmpfs.options.iter().find(|it| !is_known(it) || it.contains([',', ' ']));
    let mode = tmpfs.mode.unwrap_or_default();
    refuse_if([
        (mode > 0o7777, &|| format!("{mode:o} is not a file mode such as 1777")),
        (odd.is_some(), &|| {
            let odd = odd.map_or("", String::as_str);
            format!("`{odd}` is not an option of a tmpfs: noexec, uid=1000 and the like are")
        }),
    ])
}
