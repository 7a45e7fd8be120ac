//! What a node keeps of itself.

use crate::world::{DAY_MS, TestCluster, days_ago, word};
use common::node::Role::{Manager, Worker};
use shell::identity::{IdentityFolder, renewal_due, validity};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn an_identity_reads_back_until_it_is_erased() {
    let cluster = TestCluster::made(7, days_ago(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/identity");
    let identities = IdentityFolder::at(path.clone());
    assert_eq!(identities.load().unwrap(), None);
    identities.erase().unwrap();
    for role in [Worker, Manager] {
        let identity = cluster.identity(3, role, days_ago(0));
        identities.save(&identity).unwrap();
        assert_eq!(identities.load().unwrap(), Some(identity));
    }
    for entry in std::fs::read_dir(&path).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "only the owner reads a key");
    }
    identities.erase().unwrap();
    assert_eq!(identities.load().unwrap(), None);
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
}

#[test]
fn a_power_cut_while_saving_leaves_the_old_identity() {
    let cluster = TestCluster::made(7, days_ago(1));
    let folder = tempfile::tempdir().unwrap();
    let identities = IdentityFolder::at(folder.path().to_owned());
    let (old, new) =
        (cluster.identity(3, Worker, days_ago(0)), cluster.identity(3, Manager, days_ago(0)));
    identities.save(&old).unwrap();
    let half_written = folder.path().join("node.pem.new");
    std::fs::write(&half_written, "-----BEGIN PRIV").unwrap();
    assert_eq!(identities.load().unwrap(), Some(old));
    identities.save(&new).unwrap();
    assert_eq!(identities.load().unwrap(), Some(new));
    assert!(!half_written.exists());
}

#[test]
fn a_damaged_identity_is_told_and_not_mistaken_for_none() {
    let cluster = TestCluster::made(7, days_ago(1));
    let folder = tempfile::tempdir().unwrap();
    let identities = IdentityFolder::at(folder.path().to_owned());
    let (one, other) =
        (cluster.identity(3, Worker, days_ago(0)), cluster.identity(4, Worker, days_ago(0)));
    identities.save(&one).unwrap();
    let path = folder.path().join("node.pem");
    let whole = std::fs::read(&path).unwrap();
    let foreign_key = {
        let mut bytes = other.key_pem.reveal().to_vec();
        bytes.extend_from_slice(one.certificate_pem.as_bytes());
        bytes.extend_from_slice(one.authority_pem.as_bytes());
        bytes
    };
    let not_text = [0xff; 10].to_vec();
    let beginning = whole[..whole.len() / 2].to_vec();
    let twisted = String::from_utf8(whole.clone()).unwrap().replacen("MI", "IM", 3).into_bytes();
    for bytes in [Vec::new(), beginning, foreign_key, not_text, twisted] {
        std::fs::write(&path, &bytes).unwrap();
        let error = identities.load().unwrap_err();
        assert_eq!(word(&error), "Damaged", "{error}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(identities.load().unwrap(), Some(one));
}

#[test]
fn renewals_are_spread_over_the_second_half_of_life() {
    let cluster = TestCluster::made(7, days_ago(1));
    let pem = cluster.identity(3, Worker, days_ago(0)).certificate_pem;
    let (begin, _) = validity(&pem).unwrap();
    let days = |random| (renewal_due(&pem, random).unwrap().0 - begin.0) as f64 / DAY_MS as f64;
    assert_eq!((days(0), days(300)), (45.0, 72.0));
    for random in [1, 2, 299, 301, u64::MAX] {
        assert!((45.0..=72.0).contains(&days(random)), "{random}");
    }
    renewal_due("no certificate", 0).unwrap_err();
}
