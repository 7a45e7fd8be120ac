//! Mounts, which the engine can be told of in three ways, none of which can say everything.

use bollard::ClientVersion;
use bollard::models::{
    Mount as DockerMount, MountBindOptions, MountBindOptionsPropagationEnum as DockerPropagation,
    MountTmpfsOptions, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
};
use common::container::{
    Access, BindMount, ContainerSpec, MissingPath, Mount, MountSource, Propagation, Recursion,
    TmpfsMount, VolumeMount,
};
use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) mounts: Vec<DockerMount>,
    /// `source:target:options`, for which engines of all ages make folders that are missing.
    pub(super) binds: Vec<String>,
    /// Targets with the options of their file systems.
    pub(super) tmpfs: BTreeMap<String, String>,
}

pub(super) fn mounts(wishes: &[Mount]) -> Mounts {
    let mut mounts = Mounts::default();
    for wish in wishes {
        match &wish.source {
            MountSource::Bind(source) => match as_text(wish, source) {
                Some(text) => mounts.binds.push(text),
                None => mounts.mounts.push(bind(wish, source)),
            },
            MountSource::Volume(source) => mounts.mounts.push(volume(wish, source)),
            MountSource::Tmpfs(source) if source.options.is_empty() => {
                mounts.mounts.push(tmpfs(wish, source));
            }
            MountSource::Tmpfs(source) => {
                mounts.tmpfs.insert(wish.target.clone(), tmpfs_options(wish, source));
            }
        }
    }
    mounts
}

/// Folders that the engine may not make by itself, so that they have to be there before.
pub(in crate::docker) fn folders_to_make(spec: &ContainerSpec) -> Vec<String> {
    let folder = |mount: &Mount| match &mount.source {
        MountSource::Bind(source) => {
            let is_ours = source.missing == MissingPath::Create && as_text(mount, source).is_none();
            is_ours.then(|| source.path.clone())
        }
        MountSource::Volume(_) | MountSource::Tmpfs(_) => None,
    };
    spec.mounts.iter().filter_map(folder).collect()
}

/// What an engine of this version would leave out without a word, and make a container that sees
/// more than it should.
pub(in crate::docker) fn unknown_to(
    version: ClientVersion,
    spec: &ContainerSpec,
) -> Option<String> {
    const SUBPATHS: ClientVersion = ClientVersion { major_version: 1, minor_version: 45 };
    const READ_ONLY_BELOW: ClientVersion = ClientVersion { major_version: 1, minor_version: 44 };
    spec.mounts.iter().find_map(|mount| {
        let (what, since) = match &mount.source {
            MountSource::Bind(BindMount { recursion, .. }) => match recursion {
                Recursion::Enabled | Recursion::Disabled | Recursion::Writable => return None,
                Recursion::ReadOnly => ("read-only all that is", READ_ONLY_BELOW),
            },
            MountSource::Volume(VolumeMount { subpath, .. }) => {
                subpath.as_ref()?;
                ("a part of a volume", SUBPATHS)
            }
            MountSource::Tmpfs(_) => return None,
        };
        (version < since).then(|| {
            format!(
                "the engine is too old to mount {what} at {} (it speaks API {version}, {since} is \
                 needed)",
                mount.target
            )
        })
    })
}

/// None where the text would be read as something else, or cannot say it all.
fn as_text(mount: &Mount, source: &BindMount) -> Option<String> {
    match (source.missing, source.recursion) {
        (MissingPath::Create, Recursion::Enabled) => {}
        (MissingPath::Create, Recursion::Disabled | Recursion::Writable | Recursion::ReadOnly)
        | (MissingPath::Reject, _) => return None,
    }
    if source.path.contains(':') || mount.target.contains(':') {
        return None;
    }
    let mut options = vec![match mount.access {
        Access::ReadWrite => "rw",
        Access::ReadOnly => "ro",
    }];
    options.extend(source.propagation.map(Propagation::as_str));
    Some(format!("{}:{}:{}", source.path, mount.target, options.join(",")))
}

fn shared(mount: &Mount) -> DockerMount {
    DockerMount {
        target: Some(mount.target.clone()),
        read_only: Some(mount.access == Access::ReadOnly),
        ..DockerMount::default()
    }
}

fn bind(mount: &Mount, source: &BindMount) -> DockerMount {
    // The engine wants the word, though it is what goes without saying.
    let implied = match source.recursion {
        Recursion::ReadOnly => Some(Propagation::RecursivePrivate),
        Recursion::Enabled | Recursion::Disabled | Recursion::Writable => None,
    };
    let propagation = source.propagation.or(implied).map(|it| match it {
        Propagation::Private => DockerPropagation::PRIVATE,
        Propagation::RecursivePrivate => DockerPropagation::RPRIVATE,
        Propagation::Shared => DockerPropagation::SHARED,
        Propagation::RecursiveShared => DockerPropagation::RSHARED,
        Propagation::Slave => DockerPropagation::SLAVE,
        Propagation::RecursiveSlave => DockerPropagation::RSLAVE,
    });
    let is = |recursion: Recursion| (source.recursion == recursion).then_some(true);
    let options = MountBindOptions {
        propagation,
        non_recursive: is(Recursion::Disabled),
        create_mountpoint: None,
        read_only_non_recursive: is(Recursion::Writable),
        read_only_force_recursive: is(Recursion::ReadOnly),
    };
    DockerMount {
        typ: Some(MountType::BIND),
        source: Some(source.path.clone()),
        bind_options: (options != MountBindOptions::default()).then_some(options),
        ..shared(mount)
    }
}

fn volume(mount: &Mount, source: &VolumeMount) -> DockerMount {
    let pairs = |it: &BTreeMap<String, String>| it.clone().into_iter().collect::<HashMap<_, _>>();
    let has_driver = source.driver.is_some() || !source.options.is_empty();
    let driver_config = has_driver.then(|| MountVolumeOptionsDriverConfig {
        // Docker takes no options without the name of their driver.
        name: Some(source.driver.clone().unwrap_or_else(|| "local".to_owned())),
        options: Some(pairs(&source.options)),
    });
    let options = MountVolumeOptions {
        no_copy: source.nocopy.then_some(true),
        labels: (!source.labels.is_empty()).then(|| pairs(&source.labels)),
        driver_config,
        subpath: source.subpath.clone(),
    };
    DockerMount {
        typ: Some(MountType::VOLUME),
        source: source.name.clone(),
        volume_options: (options != MountVolumeOptions::default()).then_some(options),
        ..shared(mount)
    }
}

fn tmpfs(mount: &Mount, source: &TmpfsMount) -> DockerMount {
    DockerMount {
        typ: Some(MountType::TMPFS),
        tmpfs_options: Some(MountTmpfsOptions {
            size_bytes: source.size_bytes.map(|it| i64::try_from(it).unwrap_or(i64::MAX)),
            mode: source.mode.map(i64::from),
            options: None,
        }),
        ..shared(mount)
    }
}

fn tmpfs_options(mount: &Mount, source: &TmpfsMount) -> String {
    let mut options = source.options.clone();
    options.extend(source.size_bytes.map(|it| format!("size={it}")));
    options.extend(source.mode.map(|it| format!("mode={it:o}")));
    if mount.access == Access::ReadOnly {
        options.push("ro".to_owned());
    }
    options.join(",")
}
