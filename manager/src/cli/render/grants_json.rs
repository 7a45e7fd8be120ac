//! The configs and secrets of a service, in the shape that Docker gives them.

use common::file::{FileKind, Grant};
use serde::Serialize;

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum GrantJson<'a> {
    Secret(SecretJson<'a>),
    Config(ConfigJson<'a>),
}

#[derive(Serialize)]
pub(super) struct SecretJson<'a> {
    #[serde(rename = "File")]
    file: TargetJson<'a>,
    #[serde(rename = "SecretID")]
    id: String,
    #[serde(rename = "SecretName")]
    name: &'a str,
}

#[derive(Serialize)]
pub(super) struct ConfigJson<'a> {
    #[serde(rename = "File")]
    file: TargetJson<'a>,
    #[serde(rename = "ConfigID")]
    id: String,
    #[serde(rename = "ConfigName")]
    name: &'a str,
}

#[derive(Serialize)]
struct TargetJson<'a> {
    #[serde(rename = "Name")]
    name: &'a str,
    #[serde(rename = "UID")]
    uid: String,
    #[serde(rename = "GID")]
    gid: String,
    #[serde(rename = "Mode")]
    mode: u32,
}

/// Of all that a service is given, those of one kind.
pub(super) fn of_kind(grants: &[Grant], kind: FileKind) -> Vec<GrantJson<'_>> {
    grants.iter().filter(|it| it.kind == kind).map(GrantJson::of).collect()
}

impl<'a> GrantJson<'a> {
    fn of(grant: &'a Grant) -> GrantJson<'a> {
        let file = TargetJson {
            name: &grant.target,
            uid: grant.uid.to_string(),
            gid: grant.gid.to_string(),
            mode: grant.mode,
        };
        let (id, name) = (grant.file.to_string(), grant.name.as_str());
        match grant.kind {
            FileKind::Secret => GrantJson::Secret(SecretJson { file, id, name }),
            FileKind::Config => GrantJson::Config(ConfigJson { file, id, name }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::FileId;
    use expect_test::expect;

    #[test]
    fn each_stands_among_its_own() {
        let name = |text: &str| text.parse().expect("a name");
        let grants = [
            Grant::of(FileId(1), FileKind::Secret, name("password")),
            Grant {
                target: "/etc/app".to_owned(),
                uid: 5,
                ..Grant::of(FileId(2), FileKind::Config, name("app.conf"))
            },
        ];
        let shown = |kind| serde_json::to_string(&of_kind(&grants, kind)).expect("JSON");
        let expected = expect![[
            r#"[{"File":{"Name":"password","UID":"0","GID":"0","Mode":292},"SecretID":"0000000000001","SecretName":"password"}]"#
        ]];
        expected.assert_eq(&shown(FileKind::Secret));
        let expected = expect![[
            r#"[{"File":{"Name":"/etc/app","UID":"5","GID":"0","Mode":292},"ConfigID":"0000000000002","ConfigName":"app.conf"}]"#
        ]];
        expected.assert_eq(&shown(FileKind::Config));
    }
}
