//! Files as tasks find them, and what is left of them.

use super::*;
use common::container::ContainerSpec;
use common::service::TaskSpec;
use common::task::{DesiredState, Slot};
use common::{Name, NodeId, ServiceId};
use shell::sealing::new_file_key;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

const TASK: TaskId = TaskId(7);

/// A folder in memory, as the one that a machine's daemon has.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").expect("every Linux has it")
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn assignment(grants: Vec<Grant>) -> Assignment {
    let image = "box:1".parse().expect("an image");
    let container = ContainerSpec { grants, ..ContainerSpec::of_image(image) };
    Assignment {
        task: TASK,
        service: ServiceId(1),
        service_name: "web".to_owned(),
        service_labels: BTreeMap::new(),
        slot: Slot::Replica(1),
        node: NodeId(1),
        desired: DesiredState::Running,
        spec: Arc::new(TaskSpec::of_container(container)),
    }
}

/// A config and a secret, with the secret's content in clear.
struct Sent {
    set: FileSet,
    grants: Vec<Grant>,
    clear: Vec<u8>,
}

fn sent() -> Sent {
    let secret = new_file_key();
    let key = FileKey::new(&secret).expect("a good key");
    let clear = shell::clock::random_bytes::<64>().to_vec();
    let (config, password) = (name("app.conf"), name("password"));
    let sealed = key.content(FileKind::Secret, &password, &clear).expect("it is small");
    let put = vec![
        Delivery {
            file: FileId(1),
            name: config.clone(),
            content: Content::Config(b"listen".to_vec().into()),
        },
        Delivery { file: FileId(2), name: password.clone(), content: sealed },
    ];
    // The owner that this process may set in any case, and not the default.
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let own = |grant: Grant| Grant { uid, gid, ..grant };
    let grants = vec![
        own(Grant {
            target: "/etc/app".to_owned(),
            ..Grant::of(FileId(1), FileKind::Config, config)
        }),
        own(Grant { mode: 0o400, ..Grant::of(FileId(2), FileKind::Secret, password) }),
    ];
    let set = FileSet { extent: Extent::Complete, key: Some(secret), put };
    Sent { set, grants, clear }
}

fn lay_out(files: &mut TaskFiles, assignment: Assignment) -> Result<Assignment, String> {
    let assignment = Arc::new(assignment);
    let kit = files.kit(&Operation::Create(Arc::clone(&assignment))).expect("it has grants");
    kit.lay_out(&assignment).map_err(|it| it.to_string())
}

fn refused(detail: &str, laid_out: Result<Assignment, String>) {
    let said = laid_out.expect_err(detail);
    assert!(said.contains(detail), "{said}");
}

#[test]
fn files_lie_as_they_are_granted_and_go_with_their_task() {
    let (run_dir, Sent { set, grants, clear }) = (in_memory(), sent());
    let mut files = TaskFiles::open(run_dir.path());
    files.told(set);
    assert!(files.kit(&Operation::Create(Arc::new(assignment(Vec::new())))).is_none());
    // Once more, as after an image was pulled.
    lay_out(&mut files, assignment(grants.clone())).expect("it can be laid out");
    let laid_out = lay_out(&mut files, assignment(grants)).expect("it can be laid out");
    let folder = run_dir.path().join("files").join(TASK.to_string());
    let expected = [("/etc/app", 0o444, &b"listen"[..]), ("/run/secrets/password", 0o400, &clear)];
    let mounts = &laid_out.spec.container.mounts;
    assert_eq!(mounts.len(), expected.len());
    for (number, (mount, (target, mode, content))) in mounts.iter().zip(expected).enumerate() {
        let path = folder.join(number.to_string());
        let source = MountSource::Bind(BindMount::of_path(path.display().to_string()));
        assert_eq!((mount.target.as_str(), mount.access), (target, Access::ReadOnly));
        assert_eq!(mount.source, source);
        let metadata = std::fs::metadata(&path).expect("it is there");
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{target}");
        assert_eq!(metadata.uid(), nix::unistd::geteuid().as_raw());
        assert_eq!(std::fs::read(&path).expect("it is there"), content);
    }
    for folder in [folder.parent().expect("it has one"), &folder] {
        let mode = std::fs::metadata(folder).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
    files.clear(|task| task == TASK);
    assert!(folder.exists());
    // The next agent knows of it, too.
    let mut files = TaskFiles::open(run_dir.path());
    files.clear(|task| task == TASK);
    assert!(folder.exists());
    files.clear(|_| false);
    assert!(!folder.exists());
}

#[test]
fn what_cannot_be_laid_out_is_told_and_leaves_nothing() {
    let run_dir = in_memory();
    let mut files = TaskFiles::open(run_dir.path());
    let Sent { set, grants, .. } = sent();
    refused("config app.conf: no manager has sent it", lay_out(&mut files, assignment(grants)));
    files.told(FileSet { key: None, ..set });
    let Sent { set, grants, .. } = sent();
    refused("secret password: no manager", lay_out(&mut files, assignment(grants.clone())));
    let other = FileSet { key: Some(new_file_key()), ..set.clone() };
    files.told(other);
    refused("secret password: it was sealed", lay_out(&mut files, assignment(grants.clone())));
    assert!(!run_dir.path().join("files").join(TASK.to_string()).exists());
    files.told(set.clone());
    lay_out(&mut files, assignment(grants.clone())).expect("all is there");
    // Not needed any more.
    let extent = Extent::Changes { remove: vec![FileId(2)] };
    files.told(FileSet { extent, key: None, put: Vec::new() });
    assert_eq!(files.key, None, "there is nothing left that it unseals");
    refused("secret password: no manager has sent it", lay_out(&mut files, assignment(grants)));
}

#[test]
fn a_secret_is_never_written_to_a_disk() {
    let Sent { set, grants, .. } = sent();
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("it can be made");
    let is_in_memory = folder::is_in_memory(folder.path()).expect("it is there");
    assert!(!is_in_memory, "this test wants its sources on a disk");
    let mut files = TaskFiles::open(folder.path());
    files.told(set);
    refused("secret password", lay_out(&mut files, assignment(grants.clone())));
    refused("--run-dir on a tmpfs", lay_out(&mut files, assignment(grants)));
}
