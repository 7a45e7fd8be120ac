//! Docker Engines that are missing, forbidden, too old or late: what people are told, and that
//! skep goes on by itself once the engine is well.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use integration::cluster::{SOON, form, ready, reason, running, status, tasks, text, token};
use integration::hosts::{Daemon, Host, Lab, Signal};

const SOCKET: &str = "/run/docker.sock";
/// Between two looks whether somebody calls, or whether it is over.
const LOOK: Duration = Duration::from_millis(10);
const READ_LIMIT: Duration = Duration::from_secs(1);
/// A request of a few lines; it comes in one piece.
const REQUEST_BYTES_MAX: usize = 4_096;

fn join(host: &Host, manager: &Host) {
    let address = format!("{}:7373", manager.address());
    host.skep(&["join", "--token", &token(manager, "worker"), &address]).ok();
}

/// Only the first host has an engine; what is wrong with the others' differs.
#[test]
fn hosts_say_what_is_wrong_with_their_engines() {
    let lab = Lab::new("engines", 4);
    let (manager, absent, killed, forbidden) = (lab.host(1), lab.host(2), lab.host(3), lab.host(4));
    manager.start_daemon(Daemon::Full);
    manager.skep(&["init", "--advertise-addr", manager.address()]).ok();
    absent.kill_engine(Signal::SIGTERM);
    killed.kill_engine(Signal::SIGKILL);
    absent.start_daemon(Daemon::Full);
    killed.start_daemon(Daemon::Full);
    let own = "mkdir -p /var/lib/skep /run/skep && chown nobody /var/lib/skep /run/skep";
    forbidden.run(&["sh", "-c", own]).ok();
    let nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
    forbidden.start_daemon_through(&nobody, Daemon::Full, &[]);
    let expected = [
        (absent, "not running or not installed", "apt install docker.io"),
        (killed, "nobody listens at unix:///var/run/docker.sock", "systemctl start docker"),
        (forbidden, "unix:///var/run/docker.sock may not be used", "usermod -aG docker"),
    ];
    for (host, cause, remedy) in expected {
        join(host, manager);
        lab.wait_for("it is down", SOON, || status(manager, host.name()) == "Down");
        let told = reason(manager, host.name());
        assert!(told.contains(cause) && told.contains(remedy), "{}: {told}", host.name());
        let log = host.daemon_log(40);
        assert!(log.contains(cause) && log.contains(remedy), "{}: {log}", host.name());
    }

    manager.load_image(&integration::images::testbox("box:1").archive());
    let create = ["service", "create", "-d", "-q", "--name", "pin", "--constraint"];
    manager.skep(&[&create[..], &["node.hostname!=rasp1", "box:1"]].concat()).ok();
    lab.wait_for("what has to run there waits and says why", SOON, || {
        tasks(manager, "pin").iter().any(|it| text(it, "Error").contains("3 down"))
    });

    let before: Vec<i32> = lab.hosts().map(Host::daemon_process).collect();
    absent.start_engine();
    killed.start_engine();
    forbidden.run(&["chmod", "666", SOCKET]).ok();
    lab.load_image(&integration::images::testbox("box:1").archive());
    lab.wait_for("all are well", SOON, || ready(manager) == 4);
    lab.wait_for("what waited runs", SOON, || running(manager, "pin").len() == 1);
    assert!(lab.hosts().all(|it| reason(manager, it.name()).is_empty()));
    let after: Vec<i32> = lab.hosts().map(Host::daemon_process).collect();
    assert_eq!(after, before, "no daemon was started again for it");
}

/// An engine of 2018 stands where a new one comes.
#[test]
fn hosts_with_an_engine_of_old_say_which_they_need() {
    let lab = Lab::new("old-engine", 2);
    form(&lab, 1);
    let (manager, host) = (lab.host(1), lab.host(2));
    let socket = lab.folder().join("old.sock");
    let address = format!("unix://{}", socket.display());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let played = scope.spawn(|| play_old_engine(&socket, &over));
        // Also when what is asserted does not hold, or the scope would wait for ever.
        let _end = OnDrop(|| over.store(true, Ordering::Relaxed));
        lab.wait_for("the old engine listens", SOON, || socket.exists());
        host.kill_daemon(Signal::SIGTERM);
        host.start_daemon_with(Daemon::Full, &["--docker", &address]);
        lab.wait_for("it is down", SOON, || status(manager, host.name()) == "Down");
        let told = reason(manager, host.name());
        assert!(told.contains("Docker Engine 18.03.1-ce is too old"), "{told}");
        assert!(told.contains("19.03 or newer is needed"), "{told}");
        assert!(host.daemon_log(40).contains("18.03.1-ce is too old"));
        over.store(true, Ordering::Relaxed);
        played.join().expect("the played engine ends in order");
    });
    let before = host.daemon_process();
    host.run(&["ln", "-sf", SOCKET, &socket.display().to_string()]).ok();
    lab.wait_for("with a new engine it is well", SOON, || ready(manager) == 2);
    assert_eq!(host.daemon_process(), before, "the daemon was not started again for it");
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Says its version whatever it is asked.
fn play_old_engine(socket: &Path, over: &AtomicBool) {
    const BODY: &str = r#"{"Version":"18.03.1-ce","ApiVersion":"1.37","MinAPIVersion":"1.12"}"#;
    let listener = UnixListener::bind(socket).expect("the lab's folder is ours");
    listener.set_nonblocking(true).expect("a listener can be asked without waiting");
    while !over.load(Ordering::Relaxed) {
        let mut caller = match listener.accept() {
            Ok((caller, _)) => caller,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(LOOK);
                continue;
            }
            Err(error) => panic!("{}: {error}", socket.display()),
        };
        let length = BODY.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
        let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{BODY}");
        // Who asked may be gone already; he asks again.
        let limited = caller.set_read_timeout(Some(READ_LIMIT));
        let asked = limited.and_then(|()| caller.read(&mut [0; REQUEST_BYTES_MAX]));
        drop(asked.and_then(|_| caller.write_all(answer.as_bytes())));
    }
}
