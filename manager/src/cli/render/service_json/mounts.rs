//! Mounts, in Docker's shape.

use super::is_false;
use common::container::{
    Access, BindMount, MissingPath, Mount, MountSource, Propagation, Recursion, TmpfsMount,
    VolumeMount,
};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MountJson<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    target: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bind_options: Option<BindJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_options: Option<VolumeJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmpfs_options: Option<TmpfsJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BindJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    propagation: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    create_mountpoint: bool,
    #[serde(skip_serializing_if = "is_false")]
    non_recursive: bool,
    #[serde(skip_serializing_if = "is_false")]
    read_only_non_recursive: bool,
    #[serde(skip_serializing_if = "is_false")]
    read_only_force_recursive: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeJson<'a> {
    #[serde(skip_serializing_if = "is_false")]
    no_copy: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver_config: Option<DriverJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subpath: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DriverJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    options: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TmpfsJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<u32>,
    /// Each a word, or a name and its value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<Vec<&'a str>>,
}

impl<'a> MountJson<'a> {
    pub(super) fn of(mount: &'a Mount) -> MountJson<'a> {
        let mut json = MountJson {
            r#type: "tmpfs",
            source: None,
            target: &mount.target,
            read_only: mount.access == Access::ReadOnly,
            bind_options: None,
            volume_options: None,
            tmpfs_options: None,
        };
        match &mount.source {
            MountSource::Bind(bind) => {
                json.r#type = "bind";
                json.source = Some(&bind.path);
                json.bind_options = BindJson::of(bind);
            }
            MountSource::Volume(volume) => {
                json.r#type = "volume";
                json.source = volume.name.as_deref();
                json.volume_options = VolumeJson::of(volume);
            }
            MountSource::Tmpfs(tmpfs) => json.tmpfs_options = Some(TmpfsJson::of(tmpfs)),
        }
        json
    }
}

impl BindJson {
    fn of(bind: &BindMount) -> Option<BindJson> {
        let BindMount { path, missing, propagation, recursion } = bind;
        let says_anything = *bind != BindMount::of_path(path);
        says_anything.then(|| BindJson {
            propagation: propagation.map(Propagation::as_str),
            create_mountpoint: *missing == MissingPath::Create,
            non_recursive: *recursion == Recursion::Disabled,
            read_only_non_recursive: *recursion == Recursion::Writable,
            read_only_force_recursive: *recursion == Recursion::ReadOnly,
        })
    }
}

impl<'a> VolumeJson<'a> {
    fn of(volume: &'a VolumeMount) -> Option<VolumeJson<'a>> {
        let VolumeMount { name, driver, options, labels, nocopy, subpath } = volume;
        let plain = VolumeMount { name: name.clone(), ..VolumeMount::default() };
        let has_driver = driver.is_some() || !options.is_empty();
        (*volume != plain).then(|| VolumeJson {
            no_copy: *nocopy,
            labels,
            driver_config: has_driver.then_some(DriverJson { name: driver.as_deref(), options }),
            subpath: subpath.as_deref(),
        })
    }
}

impl<'a> TmpfsJson<'a> {
    fn of(tmpfs: &'a TmpfsMount) -> TmpfsJson<'a> {
        TmpfsJson {
            size_bytes: tmpfs.size_bytes,
            mode: tmpfs.mode,
            options: tmpfs.options.iter().map(|it| it.splitn(2, '=').collect()).collect(),
        }
    }
}
