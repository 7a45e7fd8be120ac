//! Networks, volumes, configs and secrets.

use super::fields::Fields;
use crate::model::{AddressPool, Content, File, Network, Owner, Subnet, Volume};
use crate::node::{Node, Value};
use crate::problem::{Fault, quote};
use crate::words::truth;
use common::secret::Secret;
use common::volume::VolumePolicy;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

impl Network {
    pub(super) fn of_owner(owner: Owner) -> Network {
        Network {
            owner,
            driver: None,
            driver_options: BTreeMap::new(),
            labels: BTreeMap::new(),
            internal: false,
            attachable: false,
            ipv4: None,
            ipv6: None,
            ipam_driver: None,
            ipam_options: BTreeMap::new(),
            pools: Vec::new(),
        }
    }
}

pub(super) fn network(stack: &str, key: &str, fields: &Fields<'_>) -> Network {
    let ipam = fields.object("ipam");
    Network {
        driver: fields.word("driver"),
        driver_options: fields.pairs("driver_opts"),
        labels: fields.pairs("labels"),
        internal: fields.flag("internal").unwrap_or(false),
        attachable: fields.flag("attachable").unwrap_or(false),
        ipv4: fields.flag("enable_ipv4"),
        ipv6: fields.flag("enable_ipv6"),
        ipam_driver: ipam.and_then(|it| it.word("driver")),
        ipam_options: ipam.map(|it| it.pairs("options")).unwrap_or_default(),
        pools: ipam.map(|it| it.items("config")).unwrap_or_default().iter().map(pool).collect(),
        ..Network::of_owner(owner(stack, key, fields))
    }
}

fn pool(fields: &Fields<'_>) -> AddressPool {
    let subnet = |key| {
        let text = fields.word(key)?;
        let subnet = text.parse::<Subnet>();
        if let Err(bad) = &subnet {
            fields.reader.error(Fault::new(fields.node(key)?.at, bad.to_string()));
        }
        subnet.ok()
    };
    let taken = fields.pairs("aux_addresses").into_iter().filter_map(|(name, text)| {
        let address = text.parse::<IpAddr>();
        if address.is_err() {
            let at = fields.node("aux_addresses")?.at;
            fields.reader.error(Fault::new(at, format!("{} is not an address", quote(&text))));
        }
        Some((name, address.ok()?))
    });
    AddressPool {
        subnet: subnet("subnet"),
        range: subnet("ip_range"),
        gateway: address(fields, "gateway"),
        taken: taken.collect(),
    }
}

pub(super) fn address(fields: &Fields<'_>, key: &'static str) -> Option<IpAddr> {
    let text = fields.word(key)?;
    let parsed = text.parse();
    if parsed.is_err() {
        let text = format!("`{key}`: {} is not an address", quote(&text));
        fields.reader.error(Fault::new(fields.node(key)?.at, text));
    }
    parsed.ok()
}

pub(super) fn volume(stack: &str, key: &str, fields: &Fields<'_>) -> Volume {
    Volume {
        owner: owner(stack, key, fields),
        driver: fields.word("driver"),
        driver_options: fields.pairs("driver_opts"),
        labels: fields.pairs("labels"),
        policy: fields.choice("x-volume-policy", VolumePolicy::WORDS),
    }
}

pub(super) fn file(stack: &str, key: &str, fields: &Fields<'_>) -> Option<File> {
    let owner = owner(stack, key, fields);
    let content = match &owner {
        Owner::External { .. } => None,
        Owner::Stack { .. } => Some(content(key, fields)?),
    };
    Some(File { owner, labels: fields.pairs("labels"), content })
}

fn content(key: &str, fields: &Fields<'_>) -> Option<Content> {
    let sources = ["file", "environment", "content"];
    let given: Vec<&Node> = sources.iter().filter_map(|it| fields.node(it)).collect();
    if given.len() != 1 {
        let text = format!("where the bytes of {} come from is to be said once", quote(key));
        let hint = "by one of `file`, `environment`, `content` and `external: true`";
        fields.reader.error(Fault::new(fields.at(), text).hint(hint));
        return None;
    }
    if let Some(path) = fields.word("file") {
        return Some(Content::File(PathBuf::from(path)));
    }
    if let Some(content) = fields.text("content") {
        return Some(Content::Inline(Secret::new(content.into_bytes())));
    }
    let variable = fields.word("environment")?;
    let at = fields.node("environment")?.at;
    match fields.reader.sources.of(at).environment.get(&variable) {
        Some(value) => {
            let value = Secret::new(value.as_bytes().to_vec());
            Some(Content::Environment { variable, value })
        }
        None => {
            let text = format!("variable {} is not set", quote(&variable));
            let hint = format!("the bytes of {} are its value", quote(key));
            fields.reader.error(Fault::new(at, text).hint(hint));
            None
        }
    }
}

/// `external: true` beside `name: x`, or `external: {name: x}` as older files have it.
fn owner(stack: &str, key: &str, fields: &Fields<'_>) -> Owner {
    let name = fields.word("name");
    let own = || Owner::Stack { name: name.clone().unwrap_or_else(|| format!("{stack}_{key}")) };
    let Some(external) = fields.node("external") else { return own() };
    let (is_external, other_name) = match &external.value {
        Value::Text(text) => (truth(&text.text), None),
        Value::Map(_) => {
            (Some(true), fields.object("external").and_then(|external| external.word("name")))
        }
        Value::Null | Value::List(_) => (None, None),
    };
    match is_external {
        None => {
            let text = "`external` wants true or false";
            fields.reader.error(Fault::new(external.at, text));
            own()
        }
        Some(false) => own(),
        Some(true) => {
            only_a_name(fields);
            let name = other_name.or(name).unwrap_or_else(|| key.to_owned());
            Owner::External { name }
        }
    }
}

/// What is not made here cannot be given settings here.
fn only_a_name(fields: &Fields<'_>) {
    let allowed = ["external", "name", "x-volume-policy"];
    for (key, at) in fields.keys().filter(|(key, _)| !key.starts_with("x-")) {
        if !allowed.contains(&key) {
            let text = format!("{} says nothing about what is external", quote(key));
            let hint = "only `name` may stand beside `external`";
            fields.reader.error(Fault::new(at, text).hint(hint));
        }
    }
}
