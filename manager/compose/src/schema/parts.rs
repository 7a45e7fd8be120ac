//! The keys of a file itself, and of what it declares beside services.

use super::service::SERVICE;
use super::{Key, Object, flag, ignored, list, named, object, refused, yes};

const MODELS: &str = "no models are run here; run them as services with an image";
const OWN_STORE: &str = "the cluster keeps secrets and configs itself";

pub(crate) static TOP: Object = Object {
    name: "a compose file",
    keys: &[
        yes("version"),
        yes("name"),
        list("include", &INCLUDE),
        named("services", &SERVICE),
        named("networks", &NETWORK),
        named("volumes", &VOLUME),
        named("configs", &CONFIG),
        named("secrets", &SECRET),
        refused("models", MODELS),
    ],
};

pub(crate) static INCLUDE: Object = Object {
    name: "an entry of `include`",
    keys: &[yes("path"), yes("project_directory"), yes("env_file")],
};

pub(crate) static NETWORK: Object = Object {
    name: "a network",
    keys: &[
        yes("name"),
        yes("driver"),
        yes("driver_opts"),
        flag("attachable"),
        flag("internal"),
        flag("enable_ipv4"),
        flag("enable_ipv6"),
        yes("labels"),
        object("external", &EXTERNAL),
        object("ipam", &IPAM),
    ],
};

static EXTERNAL: Object = Object { name: "`external`", keys: &[yes("name")] };

static IPAM: Object =
    Object { name: "`ipam`", keys: &[yes("driver"), yes("options"), list("config", &POOL)] };

static POOL: Object = Object {
    name: "a pool of addresses",
    keys: &[yes("subnet"), yes("gateway"), yes("ip_range"), yes("aux_addresses")],
};

pub(crate) static VOLUME: Object = Object {
    name: "a volume",
    keys: &[
        yes("name"),
        yes("driver"),
        yes("driver_opts"),
        yes("labels"),
        object("external", &EXTERNAL),
        yes("x-volume-policy"),
    ],
};

pub(crate) static CONFIG: Object = Object {
    name: "a config",
    keys: &[
        yes("name"),
        yes("file"),
        yes("environment"),
        yes("content"),
        yes("labels"),
        object("external", &EXTERNAL),
        TEMPLATES,
    ],
};

pub(crate) static SECRET: Object = Object {
    name: "a secret",
    keys: &[
        yes("name"),
        yes("file"),
        yes("environment"),
        yes("content"),
        yes("labels"),
        object("external", &EXTERNAL),
        refused("driver", OWN_STORE),
        ignored("driver_opts", OWN_STORE),
        TEMPLATES,
    ],
};

const TEMPLATES: Key =
    refused("template_driver", "files reach the container as they are; fill in templates before");
