//! `volume ls` and `inspect`: in Docker's shape, with the nodes that have them.

use super::{json_lines, pretty_json, table};
use crate::cli::args::filter::{VolumeFilter, passes};
use crate::cli::args::format::Format;
use crate::cli::seen::volume::{Held, SeenHolder, SeenVolume};
use common::calendar::rfc3339;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Docker's word for what lies on one node.
const SCOPE: &str = "local";

pub(in crate::cli) fn matches(volume: &SeenVolume, filters: &[VolumeFilter]) -> bool {
    passes(filters, |filter| match filter {
        VolumeFilter::Name(name) => volume.name.contains(name),
        VolumeFilter::Driver(driver) => volume.driver == *driver,
        VolumeFilter::Label(label) => label.matches(&volume.labels),
        VolumeFilter::Node(node) => volume
            .holders
            .iter()
            .any(|it| it.node_name == *node || it.node.to_string().starts_with(node)),
        VolumeFilter::Service(service) => volume.services.contains(service),
    })
}

pub(in crate::cli) fn list(volumes: &[SeenVolume], format: Format) -> String {
    let nodes = |it: &SeenVolume| it.holders.iter().map(on).collect::<Vec<_>>().join(", ");
    match format {
        Format::Table => {
            let row = |it: &SeenVolume| {
                [it.driver.clone(), it.name.clone(), nodes(it), it.services.join(", ")]
            };
            let rows: Vec<[String; 4]> = volumes.iter().map(row).collect();
            table(["DRIVER", "VOLUME NAME", "NODES", "SERVICES"], &rows)
        }
        Format::Json => json_lines(volumes.iter().map(|it| {
            let labels: Vec<String> =
                it.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            json!({
                "Driver": it.driver, "Name": it.name, "Scope": SCOPE, "Labels": labels.join(","),
                "Nodes": nodes(it), "Services": it.services.join(","),
            })
        })),
    }
}

/// `rasp11`, `rasp12 (removing)`
fn on(holder: &SeenHolder) -> String {
    match (holder.held, holder.node_is_down) {
        (Held::Leaving, _) => format!("{} (removing)", holder.node_name),
        (Held::Lost, _) => format!("{} (lost)", holder.node_name),
        (Held::Kept, true) => format!("{} (down)", holder.node_name),
        (Held::Kept, false) => holder.node_name.clone(),
    }
}

pub(in crate::cli) fn still_there(volume: &SeenVolume, holder: &SeenHolder) -> String {
    let (name, node) = (&volume.name, &holder.node_name);
    match holder.node_is_down {
        true => format!("{node} is down: it removes {name} when it is back"),
        false => format!(
            "{node} has not removed {name} yet, and goes on trying: `docker ps -a --filter \
             volume={name}` there shows what uses it"
        ),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeJson<'a> {
    created_at: String,
    driver: &'a str,
    labels: &'a BTreeMap<String, String>,
    name: &'a str,
    options: &'a BTreeMap<String, String>,
    scope: &'static str,
    holders: Vec<HolderJson<'a>>,
    services: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HolderJson<'a> {
    #[serde(rename = "NodeID")]
    node_id: String,
    node: &'a str,
    created_at: String,
    state: &'static str,
    home: bool,
    node_down: bool,
}

pub(in crate::cli) fn inspect(volumes: &[SeenVolume]) -> String {
    pretty_json(&volumes.iter().map(VolumeJson::of).collect::<Vec<_>>())
}

impl<'a> VolumeJson<'a> {
    fn of(volume: &'a SeenVolume) -> VolumeJson<'a> {
        VolumeJson {
            created_at: rfc3339(volume.created.wall),
            driver: &volume.driver,
            labels: &volume.labels,
            name: &volume.name,
            options: &volume.options,
            scope: SCOPE,
            holders: volume.holders.iter().map(HolderJson::of).collect(),
            services: &volume.services,
        }
    }
}

impl<'a> HolderJson<'a> {
    fn of(holder: &'a SeenHolder) -> HolderJson<'a> {
        HolderJson {
            node_id: holder.node.to_string(),
            node: &holder.node_name,
            created_at: rfc3339(holder.since.wall),
            state: holder.held.as_str(),
            home: holder.is_home,
            node_down: holder.node_is_down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::{NodeId, Stamp, WallTime};
    use expect_test::expect;

    fn sample() -> Vec<SeenVolume> {
        let since = Stamp { wall: WallTime(1_000), ..Stamp::default() };
        let holder = |node, name: &str, held, is_home, node_is_down| SeenHolder {
            node: NodeId(node),
            node_name: name.to_owned(),
            since,
            held,
            is_home,
            node_is_down,
        };
        let volume = |name: &str, holders| SeenVolume {
            name: name.to_owned(),
            driver: "local".to_owned(),
            options: BTreeMap::new(),
            labels: [("keep".to_owned(), "yes".to_owned())].into(),
            created: since,
            holders,
            services: vec!["shop_store".to_owned()],
        };
        vec![
            volume("shop_data", vec![holder(1, "rasp11", Held::Kept, true, true)]),
            volume(
                "shop_cache",
                vec![
                    holder(2, "rasp12", Held::Lost, true, false),
                    holder(3, "rasp13", Held::Leaving, false, false),
                ],
            ),
        ]
    }

    #[test]
    fn who_has_what() {
        expect![[r#"
            DRIVER    VOLUME NAME   NODES                              SERVICES
            local     shop_data     rasp11 (down)                      shop_store
            local     shop_cache    rasp12 (lost), rasp13 (removing)   shop_store
        "#]]
        .assert_eq(&list(&sample(), Format::Table));
        expect![[r#"
            {"Driver":"local","Labels":"keep=yes","Name":"shop_data","Nodes":"rasp11 (down)","Scope":"local","Services":"shop_store"}
        "#]].assert_eq(&list(&sample()[..1], Format::Json));
        expect![[r#"
            [
                {
                    "CreatedAt": "1970-01-01T00:00:01.000Z",
                    "Driver": "local",
                    "Labels": {
                        "keep": "yes"
                    },
                    "Name": "shop_data",
                    "Options": {},
                    "Scope": "local",
                    "Holders": [
                        {
                            "NodeID": "0000000000001",
                            "Node": "rasp11",
                            "CreatedAt": "1970-01-01T00:00:01.000Z",
                            "State": "kept",
                            "Home": true,
                            "NodeDown": true
                        }
                    ],
                    "Services": [
                        "shop_store"
                    ]
                }
            ]
        "#]]
        .assert_eq(&inspect(&sample()[..1]));
    }

    #[test]
    fn filters() {
        for (text, count) in [
            ("node=rasp13", 1),
            ("node=rasp1", 0),
            ("name=shop", 2),
            ("label=keep=yes", 2),
            ("service=shop_store", 2),
            ("driver=nfs", 0),
        ] {
            let filters = [text.parse().expect("a filter")];
            let found = sample().iter().filter(|it| matches(it, &filters)).count();
            assert_eq!(found, count, "{text}");
        }
    }
}
