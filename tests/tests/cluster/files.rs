//! Configs and secrets on their way from the command line to a container.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use common::container::MountSource;
use common::file::{FileKind, Grant, NewFile};
use common::{FileId, Name};
use integration::inprocess::{Client, Cluster};
use shell::sealing::FileKey;

/// As the command line makes it.
async fn create(client: &Client, kind: FileKind, name: &str, clear: &[u8]) -> FileId {
    let key = client.sealing_key().await.expect("a member tells the key");
    let key = FileKey::new(&key).expect("it is a key");
    let name: Name = name.parse().expect("a name");
    let content = key.content(kind, &name, clear).expect("it is small");
    let digest = key.digest(clear);
    let new = NewFile { name, labels: BTreeMap::new(), stack: None, digest, content };
    client.create_file(&new).await.expect("it is new")
}

/// Any owner but root would want root.
fn grant(id: FileId, kind: FileKind, name: &str) -> Grant {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    Grant { uid, gid, mode: 0o440, ..Grant::of(id, kind, name.parse().expect("a name")) }
}

/// What its container finds, by target; nothing unless it runs.
fn mounted(cluster: &Cluster, service: &str) -> Option<BTreeMap<String, PathBuf>> {
    let begin = format!("{service}.");
    let mut running = cluster.nodes().iter().flat_map(|it| it.engine().running());
    let container = running.find(|it| it.name.starts_with(&begin))?;
    let mounts = container.mounts.into_iter().map(|it| match it.source {
        MountSource::Bind { path } => (it.target, PathBuf::from(path)),
        MountSource::Volume { .. } | MountSource::Tmpfs { .. } => panic!("{it:?}"),
    });
    Some(mounts.collect())
}

fn holds(folder: &Path, needle: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).expect("a folder can be read");
    entries.map(|it| it.expect("it can be read").path()).any(|path| {
        if path.is_dir() {
            return holds(&path, needle);
        }
        // What is being replaced meanwhile is looked at under its new name.
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(needle.len()).any(|it| it == needle)
    })
}

#[tokio::test]
async fn a_secret_comes_to_the_node_that_needs_it_and_goes_with_its_task() {
    let mut cluster = Cluster::formed(3, 1).await;
    let client = cluster.client(1);
    let clear = shell::clock::random_bytes::<48>();
    let secret = create(&client, FileKind::Secret, "password", &clear).await;
    let config = create(&client, FileKind::Config, "app.conf", b"listen = 80").await;
    let grants =
        [grant(secret, FileKind::Secret, "password"), grant(config, FileKind::Config, "app.conf")];
    client.create_with_files("web", &grants).await.expect("a good service");
    cluster.wait_for("it runs", async |it| mounted(it, "web").is_some()).await;
    let found = mounted(&cluster, "web").expect("it was waited for");
    let path = &found["/run/secrets/password"];
    assert_eq!(std::fs::read(path).expect("it is there"), clear);
    let mode = std::fs::metadata(path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o440);
    assert_eq!(std::fs::read(&found["/app.conf"]).expect("it is there"), b"listen = 80");
    for node in cluster.nodes() {
        let is_its = path.starts_with(node.run_dir());
        assert!(!holds(node.data_dir(), &clear), "on the disk of {}", node.name());
        assert_eq!(holds(node.run_dir(), &clear), is_its, "in memory of {}", node.name());
    }

    let shown = client.files(FileKind::Secret).await.expect("they are listed");
    assert_eq!((shown.len(), shown[0].content.as_ref()), (1, None), "nobody is shown a secret");
    let shown = client.files(FileKind::Config).await.expect("they are listed");
    assert_eq!(shown[0].content.as_deref(), Some(&b"listen = 80"[..]));
    let refused = client.remove_file(FileKind::Secret, "password").await.expect_err("in use");
    assert!(refused.message().contains("in use by web"), "{refused:?}");

    client.remove_service("web").await.expect("it is there");
    let (path, config) = (path.clone(), found["/app.conf"].clone());
    cluster.wait_for("the files go", async |_| !path.exists() && !config.exists()).await;
    client.remove_file(FileKind::Secret, "password").await.expect("nobody uses it");
    assert!(client.files(FileKind::Secret).await.expect("they are listed").is_empty());
}

/// A daemon that is restarted neither takes files away from what runs nor leaves any behind.
#[tokio::test]
async fn files_outlive_a_daemon_and_not_their_task() {
    let mut cluster = Cluster::formed(1, 1).await;
    let client = cluster.client(0);
    let id = create(&client, FileKind::Secret, "password", b"one of a kind").await;
    let grants = [grant(id, FileKind::Secret, "password")];
    client.create_with_files("web", &grants).await.expect("a good service");
    cluster.wait_for("it runs", async |it| mounted(it, "web").is_some()).await;
    let path =
        mounted(&cluster, "web").expect("it was waited for")["/run/secrets/password"].clone();
    let of_its = |it: &integration::inprocess::Node| path.starts_with(it.run_dir());
    let position = cluster.nodes().iter().position(of_its).expect("it runs somewhere");
    cluster.node(position).kill();
    cluster.start(position).await;
    cluster.wait_whole().await;
    cluster.wait_running(0, "web", 1).await;
    assert!(path.exists(), "its container runs on");

    // What it was told is not known to the next one either.
    let left = path.parent().expect("a folder").with_file_name("0000000000001");
    cluster.node(position).kill();
    std::fs::create_dir(&left).expect("it is ours");
    cluster.start(position).await;
    cluster.wait_for("what belongs to nobody goes", async |_| !left.exists()).await;
    assert!(path.exists(), "its container runs on");
    cluster.wait_whole().await;
    client.scale("web", 0).await.expect("it is there");
    cluster.wait_for("the files go", async |_| !path.exists()).await;
}
