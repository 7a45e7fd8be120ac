//! The engine under test, with an image made on the spot and a few questions that the agent never
//! asks.

use agent::containers::{Containers, LogLine, LogQuery, Owner};
use agent::docker::Docker;
use agent_core::container::{ContainerId, Exit, Phase};
use common::assignment::Assignment;
use common::container::ContainerSpec;
use common::service::TaskSpec;
use common::task::{DesiredState, Slot};
use common::{IdGen, NodeId, ServiceId, TaskId};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{OnceCell, mpsc};

pub(crate) const IMAGE: &str = "skep-test-agent:1";
/// With a health check that fails.
pub(crate) const SICK_IMAGE: &str = "skep-test-agent-sick:1";
/// The same with an entry point and a command of its own.
pub(crate) const IMAGE_WITH_ENTRY: &str = "skep-test-agent:entry";
const LIMIT: Duration = Duration::from_secs(20);

static IMAGE_MADE: OnceCell<()> = OnceCell::const_new();

pub(crate) struct TestEngine {
    pub(crate) address: String,
    pub(crate) docker: Docker,
    /// Every test has an owner of its own, so that none sees another's containers.
    pub(crate) owner: Owner,
    socket: String,
}

impl TestEngine {
    pub(crate) async fn open() -> TestEngine {
        let address = std::env::var("SKEP_TEST_DOCKER").expect(
            "SKEP_TEST_DOCKER must name the socket of a Docker Engine to test with, \
             such as unix:///var/run/docker.sock",
        );
        let mut ids = IdGen::from_seed(shell::clock::seed());
        let engine = TestEngine {
            docker: Docker::new(&address),
            owner: Owner { node: ids.node(), cluster: ids.cluster() },
            socket: address.trim_start_matches("unix://").to_owned(),
            address,
        };
        IMAGE_MADE.get_or_init(|| engine.make_image()).await;
        engine
    }

    /// A shell with a few tools, from the static busybox of this machine.
    async fn make_image(&self) {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for folder_inside in ["tmp", "host", "kept"] {
            std::fs::create_dir(folder.path().join(folder_inside)).unwrap();
        }
        std::fs::copy("/bin/busybox", bin.join("busybox"))
            .expect("package busybox-static is needed");
        for tool in ["sh", "sleep", "cat", "touch", "hostname", "seq", "tr", "true", "readlink"] {
            std::os::unix::fs::symlink("busybox", bin.join(tool)).unwrap();
        }
        let path: &Path = folder.path();
        let tar = Command::new("tar").arg("-C").arg(path).args(["-c", "."]).output().unwrap();
        assert!(tar.status.success(), "{tar:?}");
        let sick = "&changes=HEALTHCHECK%20CMD%20echo%20sick%3B%20exit%201";
        let entry = "&changes=ENTRYPOINT%20%5B%22/bin/sh%22,%22-c%22,%22echo%20entry%20%240%22%5D\
                     &changes=CMD%20%5B%22default%22%5D";
        for (image, changes) in [(IMAGE, ""), (SICK_IMAGE, sick), (IMAGE_WITH_ENTRY, entry)] {
            let (name, tag) = image.split_once(':').unwrap();
            let path = format!("/images/create?fromSrc=-&repo={name}&tag={tag}{changes}");
            let (status, words) = self.ask("POST", &path, &tar.stdout).await;
            assert_eq!(status, 200, "{words}");
        }
    }

    /// One request by hand; answers with the body.
    async fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let mut stream = UnixStream::connect(&self.socket).await.expect("the engine answers");
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/x-tar\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    pub(crate) fn script(&self, script: &str) -> ContainerSpec {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        ContainerSpec { args: Some(command), ..ContainerSpec::of_image(IMAGE.parse().unwrap()) }
    }

    pub(crate) fn assignment(&self, spec: ContainerSpec) -> Assignment {
        Assignment {
            task: TaskId(shell::clock::seed()),
            service: ServiceId(1),
            service_name: "test".to_owned(),
            service_labels: BTreeMap::new(),
            slot: Slot::Replica(1),
            node: NodeId(1),
            desired: DesiredState::Running,
            spec: Arc::new(TaskSpec::of_container(spec)),
        }
    }

    pub(crate) async fn create(&self, spec: ContainerSpec) -> ContainerId {
        self.docker.create(self.owner, &self.assignment(spec)).await.unwrap()
    }

    /// Such as `pause`.
    pub(crate) async fn do_by_hand(&self, id: &ContainerId, verb: &str) {
        let (status, words) = self.ask("POST", &format!("/containers/{id}/{verb}"), &[]).await;
        assert_eq!(status, 204, "{words}");
    }

    pub(crate) async fn wait_for_exit(&self, id: &ContainerId) -> Exit {
        let wait = async {
            loop {
                let (_, _) = self.ask("POST", &format!("/containers/{id}/wait"), &[]).await;
                let seen = self.docker.list(self.owner).await.unwrap();
                let seen = seen.into_iter().find(|it| it.id == *id).unwrap();
                if let Phase::Exited(exit) = seen.phase {
                    return exit;
                }
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("the container ends")
    }

    pub(crate) async fn log(&self, id: &ContainerId, query: LogQuery) -> Vec<LogLine> {
        let (lines, mut told) = mpsc::channel(8);
        let collect = async {
            let mut collected = Vec::new();
            while let Some(line) = told.recv().await {
                collected.push(line);
            }
            collected
        };
        let read = async { tokio::join!(self.docker.logs(id, query, lines), collect) };
        let (read, collected) = tokio::time::timeout(LIMIT, read).await.expect("the log ends");
        read.unwrap();
        collected
    }

    pub(crate) async fn inspect(&self, id: &ContainerId) -> serde_json::Value {
        let (_, body) = self.ask("GET", &format!("/containers/{id}/json"), &[]).await;
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) async fn volumes_of(&self, id: &ContainerId) -> Vec<String> {
        let body = self.inspect(id).await;
        let mounts = body["Mounts"].as_array().unwrap().iter();
        let volumes = mounts.filter(|it| it["Type"] == "volume");
        volumes.map(|it| it["Name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn volume_exists(&self, name: &str) -> bool {
        let (status, _) = self.ask("GET", &format!("/volumes/{name}"), &[]).await;
        status == 200
    }
}
