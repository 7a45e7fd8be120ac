//! Configs and secrets come back from the wire as they were, and what makes no sense is refused.

use super::Shown;
use crate::v1;
use common::file::{Content, Delivery, Digest, Extent, FileKind, FileSet, Grant, NewFile};
use common::secret::Secret;
use common::{FileId, Stamp, Timestamp, Version, WallTime};
use prost::Message;
use std::fmt::Debug;

const STAMP: Stamp = Stamp { at: Timestamp(7), wall: WallTime(1_700_000_000_123) };

pub(super) fn grants() -> Vec<Grant> {
    let name = |text: &str| text.parse().expect("a name");
    let secret = Grant::of(FileId(3), FileKind::Secret, name("db-password"));
    let config = Grant {
        target: "/etc/app".to_owned(),
        uid: 1000,
        gid: 100,
        mode: 0o440,
        ..Grant::of(FileId(u64::MAX), FileKind::Config, name("app.conf"))
    };
    vec![secret, config]
}

fn comes_back<W, T>(value: &T)
where
    W: Message + Default + for<'a> From<&'a T>,
    T: TryFrom<W> + PartialEq + Debug,
    T::Error: Debug,
{
    let bytes = W::from(value).encode_to_vec();
    let wire = W::decode(bytes.as_slice()).expect("what was encoded is decoded");
    assert_eq!(&T::try_from(wire).expect("what was ours is ours"), value);
}

fn new_file(content: Content) -> NewFile {
    NewFile {
        name: "app.conf".parse().expect("a name"),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        stack: Some("app".parse().expect("a name")),
        digest: Digest([9; 32]),
        content,
    }
}

#[test]
fn files() {
    let contents = [Content::Config(vec![0, 255].into()), Content::Secret(vec![1; 40].into())];
    for content in contents.clone() {
        comes_back::<v1::CreateFileRequest, _>(&new_file(content));
    }
    for content in [None, Some(Vec::new().into()), Some(vec![1, 2].into())] {
        let NewFile { name, labels, stack, digest, .. } = new_file(contents[0].clone());
        let (id, version, kind) = (FileId(1), Version(2), FileKind::Config);
        let (created, updated) = (STAMP, STAMP);
        let shown =
            Shown { id, version, created, updated, kind, name, labels, stack, digest, content };
        comes_back::<v1::FileView, _>(&shown);
    }
    let name: common::Name = "app.conf".parse().expect("a name");
    let deliver = |content: Content| Delivery { file: FileId(1), name: name.clone(), content };
    let put: Vec<Delivery> = contents.map(deliver).into();
    let changes = Extent::Changes { remove: vec![FileId(4)] };
    for set in [
        FileSet { extent: Extent::Complete, key: None, put: Vec::new() },
        FileSet { extent: changes, key: Some(Secret::new(vec![1; 32])), put },
    ] {
        comes_back::<v1::Files, _>(&set);
    }
}

#[test]
fn nothing_shows_a_content() {
    let wire = v1::CreateFileRequest::from(&new_file(Content::Config(vec![1].into())));
    assert_eq!(format!("{wire:?}"), "CreateFileRequest(…)");
    let key = v1::GetSealingKeyResponse { key: vec![1] };
    assert_eq!(format!("{key:?}"), "GetSealingKeyResponse(…)");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = v1::CreateFileRequest::from(&new_file(Content::Config(vec![1].into())));
    let with = |change: fn(&mut v1::CreateFileRequest)| {
        let mut wire = good.clone();
        change(&mut wire);
        NewFile::try_from(wire).map_err(|it| it.field)
    };
    assert!(with(|_| {}).is_ok());
    assert_eq!(with(|it| it.kind = 0), Err("file.kind"));
    assert_eq!(with(|it| it.kind = 99), Err("file.kind"));
    assert_eq!(with(|it| it.name = "a/b".to_owned()), Err("file.name"));
    assert_eq!(with(|it| it.digest.truncate(31)), Err("file.digest"));
    let key = Some(vec![1; 31]);
    assert!(FileSet::try_from(v1::Files { key, ..Default::default() }).is_err());
    let set = v1::Files { complete: true, remove: vec![1], ..Default::default() };
    assert!(FileSet::try_from(set).is_err());
}
