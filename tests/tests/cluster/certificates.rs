//! What a certificate is good for, for how long, and what the others are refused.

use std::time::Duration;

use common::WallTime;
use common::cluster::Authority;
use integration::inprocess::{Answer, Cluster, Node};
use proto::v1;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use shell::identity::{Identity, node_name, request_certificate, role_name};
use shell::net::ConnectError;
use shell::tls::{Credentials, Expect};
use tonic::transport::Channel;
use tonic::{Code, Status};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const DAY_MS: u64 = 24 * 3_600 * 1_000;

async fn connect(to: &Node, identity: Option<&Identity>) -> Result<Channel, ConnectError> {
    let credentials = identity.map(|it| Credentials::new(it.clone()).expect("it is whole"));
    let expect = match identity {
        Some(_) => Expect::Manager,
        None => Expect::AuthorityDigest(digest(to)),
    };
    shell::net::connect(&to.address().to_string(), expect, credentials.as_ref(), CONNECT_LIMIT)
        .await
}

fn digest(manager: &Node) -> [u8; 32] {
    manager::ca::digest(&authority(manager))
}

fn authority(manager: &Node) -> Authority {
    let authority = |it: &manager::manager::Manager| {
        it.state().cluster().expect("it has caught up").authority.clone()
    };
    manager.manager(authority).expect("it is a manager")
}

fn identity(node: &Node) -> Identity {
    node.identities().load().expect("it is whole").expect("it is a member")
}

/// What a caller is answered to each kind of call, without the answer.
async fn answers(channel: &Channel) -> Vec<(&'static str, Answer<()>)> {
    use v1::{ca_client, control_client, dispatcher_client, local_client, raft_client};
    let channel = || channel.clone();
    let mut control = control_client::ControlClient::new(channel());
    let mut raft = raft_client::RaftClient::new(channel());
    let mut local = local_client::LocalClient::new(channel());
    let mut dispatcher = dispatcher_client::DispatcherClient::new(channel());
    let mut ca = ca_client::CaClient::new(channel());
    let csr_der = request_certificate().expect("keys can be made").csr_der;
    let no_agent = tokio_stream::empty::<v1::AgentMessage>();
    let token = v1::GetJoinTokenRequest { role: v1::Role::Manager.into(), rotate: true };
    let remove = v1::RemoveNodeRequest { node: "n1".to_owned(), force: true };
    let enlist = v1::EnlistRequest { address: "127.0.0.1:1".to_owned() };
    vec![
        ("list nodes", control.list_nodes(v1::ListNodesRequest::default()).await.map(drop)),
        ("rotate a token", control.get_join_token(token).await.map(drop)),
        ("remove a node", control.remove_node(remove).await.map(drop)),
        ("append", raft.append(v1::RaftMessage::default()).await.map(drop)),
        ("vote", raft.vote(v1::RaftMessage::default()).await.map(drop)),
        ("snapshot", raft.install_snapshot(v1::RaftMessage::default()).await.map(drop)),
        ("pre-vote", raft.pre_vote(v1::PreVoteRequest::default()).await.map(drop)),
        ("enlist", raft.enlist(enlist).await.map(drop)),
        ("take over", raft.take_over(v1::TakeOverRequest::default()).await.map(drop)),
        ("found", local.init(v1::InitRequest::default()).await.map(drop)),
        ("leave", local.leave(v1::LeaveRequest { force: true }).await.map(drop)),
        ("session", dispatcher.session(no_agent).await.map(drop)),
        ("renew", ca.renew(v1::RenewRequest { csr_der }).await.map(drop)),
    ]
}

/// Everything but what `allowed` names is refused with that code.
async fn assert_refused(channel: &Channel, allowed: &[&str], code: Code) {
    for (call, answer) in answers(channel).await {
        match (allowed.contains(&call), answer) {
            (true, Ok(())) => {}
            (true, Err(status)) => assert!(!is_denied(&status), "{call}: {status:?}"),
            (false, Ok(())) => panic!("{call} is for others"),
            (false, Err(status)) => assert_eq!(status.code(), code, "{call}: {status:?}"),
        }
    }
}

fn is_denied(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated)
}

#[tokio::test]
async fn a_worker_is_no_manager_and_a_stranger_no_member() {
    let cluster = Cluster::formed(2, 1).await;
    for manager in &cluster.nodes()[..2] {
        let stranger = connect(manager, None).await.expect("a join begins without a certificate");
        let codes = answers(&stranger).await.into_iter().map(|(call, answer)| {
            let status = answer.expect_err("a stranger may do nothing but join");
            assert!(is_denied(&status), "{call}: {status:?}");
        });
        assert_eq!(codes.count(), 13);
        let worker = connect(manager, Some(&identity(&cluster.nodes()[2]))).await;
        let worker = worker.expect("a worker is a member");
        assert_refused(&worker, &["session", "renew"], Code::PermissionDenied).await;
    }
    let rows = cluster.client(0).nodes().await.expect("a manager answers").rows;
    assert_eq!(rows.len(), 3, "nothing was done: {rows:?}");
}

#[tokio::test]
async fn a_removed_node_s_certificate_is_refused_whatever_it_was() {
    for role in [v1::Role::Worker, v1::Role::Manager] {
        let mut cluster = Cluster::formed(2, 1).await;
        cluster.client(0).set_role("n3", role).await.expect("roles are changed");
        let has_role = async |it: &Cluster| {
            identity(&it.nodes()[2]).role == common::node::Role::try_from(role).expect("one of two")
        };
        cluster.wait_for("it has its role", has_role).await;
        cluster.wait_whole().await;
        let removed = identity(&cluster.nodes()[2]);
        // It cannot hear that it is out.
        cluster.node(2).kill();
        cluster.client(0).set_role("n3", v1::Role::Worker).await.expect("roles are changed");
        cluster.client(1).remove_node("n3", true).await.expect("it is removed");
        let is_out = |node: &Node| {
            node.manager(|it| !it.replica().managers().contains_key(&removed.node)) == Some(true)
        };
        cluster.wait_for("it votes no more", async |it| it.nodes()[..2].iter().all(is_out)).await;
        for manager in &cluster.nodes()[..2] {
            let channel = connect(manager, Some(&removed)).await.expect("its dates are good");
            // A session is how it learns that it is out.
            assert_refused(&channel, &["session"], Code::PermissionDenied).await;
        }
        cluster.start(2).await;
        cluster
            .wait_for("it learns that it is out", async |it| {
                it.client(2).status().await.is_ok_and(|it| !it.member)
            })
            .await;
        assert_eq!(cluster.nodes()[2].identities().load().expect("nothing is damaged"), None);
    }
}

/// The same node and role under another certificate of the cluster, made by its authority.
fn dated(authority: &Authority, of: &Identity, (from, to): (WallTime, WallTime)) -> Identity {
    let authority_key = std::str::from_utf8(authority.key_pem.reveal()).expect("PEM is text");
    let authority_key = KeyPair::from_pem(authority_key).expect("it is a key");
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate_pem, authority_key);
    let issuer = issuer.expect("an authority signs");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("keys can be made");
    let names = vec![node_name(of.node), role_name(of.role)];
    let mut params = CertificateParams::new(names).expect("they are host names");
    params.distinguished_name = DistinguishedName::new();
    let unit = format!("skep-{}", of.role);
    let subject = [
        (DnType::CommonName, of.node.to_string()),
        (DnType::OrganizationName, of.cluster.to_string()),
        (DnType::OrganizationalUnitName, unit),
    ];
    subject.into_iter().for_each(|(kind, value)| params.distinguished_name.push(kind, value));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    (params.not_before, params.not_after) = (date(from), date(to));
    let certificate = params.signed_by(&key, &issuer).expect("what was made is signed");
    Identity {
        certificate_pem: certificate.pem(),
        key_pem: common::secret::Secret::new(key.serialize_pem().into_bytes()),
        ..of.clone()
    }
}

fn date(time: WallTime) -> time::OffsetDateTime {
    let seconds = i64::try_from(time.0 / 1_000).expect("it is in this age");
    time::OffsetDateTime::from_unix_timestamp(seconds).expect("it is in this age")
}

fn days_from_now(days: i64) -> WallTime {
    WallTime(shell::clock::wall().0.saturating_add_signed(days * DAY_MS as i64))
}

#[tokio::test]
async fn a_certificate_near_its_end_is_renewed() {
    let mut cluster = Cluster::formed(2, 1).await;
    // A manager of two, so that there is no leader before it is back, and a worker.
    for position in [1, 2] {
        let old = identity(&cluster.nodes()[position]);
        cluster.node(position).kill();
        let authority = authority(&cluster.nodes()[0]);
        let aged = dated(&authority, &old, (days_from_now(-80), days_from_now(10)));
        let node = &cluster.nodes()[position];
        node.identities().save(&aged).expect("it can be replaced");
        cluster.start(position).await;
        cluster
            .wait_for("it is renewed", async |it| {
                let now = identity(&it.nodes()[position]);
                let validity = shell::identity::validity(&now.certificate_pem);
                let (_, to) = validity.expect("a certificate has dates");
                to > days_from_now(80) && now.key_pem.reveal() != aged.key_pem.reveal()
            })
            .await;
        let renewed = identity(&cluster.nodes()[position]);
        assert_eq!((renewed.node, renewed.role), (old.node, old.role));
        cluster.wait_whole().await;
    }
}

#[tokio::test]
async fn an_expired_certificate_is_good_for_a_new_one_only_and_an_early_one_for_all() {
    let mut cluster = Cluster::formed(1, 1).await;
    let (authority, own) = (authority(&cluster.nodes()[0]), identity(&cluster.nodes()[1]));
    let manager = &cluster.nodes()[0];
    let early = dated(&authority, &own, (days_from_now(5), days_from_now(95)));
    connect(manager, Some(&early)).await.expect("a clock that is behind does not shut it out");
    let expired = dated(&authority, &own, (days_from_now(-91), days_from_now(-1)));
    let channel = connect(manager, Some(&expired)).await.expect("it is known who it was");
    assert_refused_as_expired(&channel).await;
    cluster.wait_whole().await;
}

async fn assert_refused_as_expired(channel: &Channel) {
    for (call, answer) in answers(channel).await {
        match (call, answer) {
            ("renew", answer) => answer.expect("that is what it is still good for"),
            ("found" | "leave", answer) => {
                assert!(answer.is_err_and(|it| it.code() == Code::PermissionDenied), "{call}");
            }
            (_, answer) => {
                assert!(answer.is_err_and(|it| it.code() == Code::Unauthenticated), "{call}");
            }
        }
    }
}

/// Everything was off for longer than certificates last: nobody has one that others take.
#[tokio::test]
async fn a_cluster_that_was_off_for_long_helps_itself() {
    let mut cluster = Cluster::formed(3, 1).await;
    let authority = authority(&cluster.nodes()[0]);
    for position in 0..4 {
        let old = identity(&cluster.nodes()[position]);
        cluster.node(position).kill();
        let expired = dated(&authority, &old, (days_from_now(-91), days_from_now(-1)));
        cluster.nodes()[position].identities().save(&expired).expect("it can be replaced");
    }
    for position in 0..4 {
        cluster.start(position).await;
    }
    cluster
        .wait_for("all have new ones", async |it| {
            it.nodes().iter().all(|node| {
                let validity = shell::identity::validity(&identity(node).certificate_pem);
                validity.expect("a certificate has dates").1 > days_from_now(80)
            })
        })
        .await;
    cluster.wait_whole().await;
    let nodes = cluster.client(0).nodes().await.expect("a manager answers").rows;
    assert_eq!(nodes.len(), 4);
}
