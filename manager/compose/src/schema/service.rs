//! The keys of a service.

use super::{Object, flag, ignored, list, named, object, refused, yes};

const BUILD: &str =
    "images are pulled, never built here; without `image`, STACK-SERVICE is the image's name";
const WINDOWS: &str = "only Windows containers have it";
const BLOCK_IO: &str = "weights and rates of disks are not handed on to engines";
const INTERFACES: &str = "the cluster sets up the interfaces of containers itself";
const HOOKS: &str = "nothing is run beside a container's own program; let its entrypoint do it";
const OWN_NETWORK: &str =
    "containers outside of the stack are reached through a network that is external";

pub(crate) static SERVICE: Object = Object {
    name: "a service",
    keys: &[
        yes("annotations"),
        ignored("attach", "logs are shown when they are asked for"),
        ignored("blkio_config", BLOCK_IO),
        ignored("build", BUILD),
        yes("cap_add"),
        yes("cap_drop"),
        yes("cgroup"),
        yes("cgroup_parent"),
        yes("command"),
        list("configs", &GRANT),
        yes("container_name"),
        ignored("cpu_count", WINDOWS),
        ignored("cpu_percent", WINDOWS),
        yes("cpu_period"),
        yes("cpu_quota"),
        yes("cpu_rt_period"),
        yes("cpu_rt_runtime"),
        yes("cpu_shares"),
        yes("cpus"),
        yes("cpuset"),
        refused("credential_spec", WINDOWS),
        named("depends_on", &DEPENDENCY),
        object("deploy", &DEPLOY),
        ignored("develop", "it is for `compose watch` alone"),
        yes("device_cgroup_rules"),
        list("devices", &DEVICE),
        yes("dns"),
        yes("dns_opt"),
        yes("dns_search"),
        yes("domainname"),
        yes("entrypoint"),
        list("env_file", &ENV_FILE),
        yes("environment"),
        yes("expose"),
        object("extends", &EXTENDS),
        refused("external_links", OWN_NETWORK),
        yes("extra_hosts"),
        list("gpus", &DEVICE_REQUEST),
        yes("group_add"),
        object("healthcheck", &HEALTHCHECK),
        yes("hostname"),
        yes("image"),
        flag("init"),
        yes("ipc"),
        ignored("isolation", WINDOWS),
        yes("label_file"),
        yes("labels"),
        yes("links"),
        object("logging", &LOGGING),
        ignored("mac_address", INTERFACES),
        yes("mem_limit"),
        yes("mem_reservation"),
        yes("mem_swappiness"),
        yes("memswap_limit"),
        refused("models", "no models are run here; run them as services with an image"),
        yes("network_mode"),
        named("networks", &ATTACHMENT),
        flag("oom_kill_disable"),
        yes("oom_score_adj"),
        yes("pid"),
        yes("pids_limit"),
        yes("platform"),
        list("ports", &PORT),
        refused("post_start", HOOKS),
        refused("pre_stop", HOOKS),
        flag("privileged"),
        yes("profiles"),
        refused("provider", "only containers are run here"),
        yes("pull_policy"),
        ignored("pull_refresh_after", "an image is looked up when its service is deployed"),
        flag("read_only"),
        yes("restart"),
        yes("runtime"),
        yes("scale"),
        list("secrets", &GRANT),
        yes("security_opt"),
        yes("shm_size"),
        flag("stdin_open"),
        yes("stop_grace_period"),
        yes("stop_signal"),
        yes("storage_opt"),
        yes("sysctls"),
        yes("tmpfs"),
        flag("tty"),
        named("ulimits", &ULIMIT),
        refused("use_api_socket", "the engine's socket is handed to a container by a bind mount"),
        yes("user"),
        yes("userns_mode"),
        yes("uts"),
        refused("volume_driver", "declare the volumes under the top-level `volumes` with `driver`"),
        list("volumes", &MOUNT),
        refused("volumes_from", "name the volumes under the `volumes` of both services"),
        yes("working_dir"),
        flag("x-at-most-one"),
    ],
};

static GRANT: Object = Object {
    name: "a secret or config of a service",
    keys: &[yes("source"), yes("target"), yes("uid"), yes("gid"), yes("mode")],
};

static DEPENDENCY: Object = Object {
    name: "a dependency",
    keys: &[
        yes("condition"),
        flag("required"),
        ignored("restart", "a service is not restarted because another one was"),
    ],
};

static DEVICE: Object =
    Object { name: "a device", keys: &[yes("source"), yes("target"), yes("permissions")] };

static ENV_FILE: Object =
    Object { name: "an `env_file`", keys: &[yes("path"), flag("required"), yes("format")] };

static EXTENDS: Object = Object { name: "`extends`", keys: &[yes("service"), yes("file")] };

static HEALTHCHECK: Object = Object {
    name: "a health check",
    keys: &[
        yes("test"),
        yes("interval"),
        yes("timeout"),
        yes("retries"),
        yes("start_period"),
        yes("start_interval"),
        flag("disable"),
    ],
};

static LOGGING: Object = Object { name: "`logging`", keys: &[yes("driver"), yes("options")] };

static ATTACHMENT: Object = Object {
    name: "a network of a service",
    keys: &[
        yes("aliases"),
        yes("ipv4_address"),
        yes("ipv6_address"),
        yes("priority"),
        yes("driver_opts"),
        ignored("gw_priority", INTERFACES),
        ignored("interface_name", INTERFACES),
        ignored("link_local_ips", INTERFACES),
        ignored("mac_address", INTERFACES),
    ],
};

static PORT: Object = Object {
    name: "a port",
    keys: &[
        yes("target"),
        yes("published"),
        yes("host_ip"),
        yes("protocol"),
        yes("mode"),
        ignored("app_protocol", "bytes are passed on as they are"),
        ignored("name", "it is for people alone"),
    ],
};

static ULIMIT: Object = Object { name: "a ulimit", keys: &[yes("soft"), yes("hard")] };

static MOUNT: Object = Object {
    name: "a mount",
    keys: &[
        yes("type"),
        yes("source"),
        yes("target"),
        flag("read_only"),
        ignored("consistency", "it means something on macOS alone"),
        object("bind", &BIND),
        object("volume", &VOLUME_MOUNT),
        object("tmpfs", &TMPFS),
        refused("image", "images are not mounted here; copy the files into a volume"),
    ],
};

static BIND: Object = Object {
    name: "`bind`",
    keys: &[
        flag("create_host_path"),
        yes("propagation"),
        flag("x-this-node"),
        ignored("recursive", "what is mounted below the folder comes along"),
        ignored("selinux", "files are not labelled anew"),
    ],
};

static VOLUME_MOUNT: Object = Object {
    name: "`volume`",
    keys: &[
        flag("nocopy"),
        yes("subpath"),
        ignored("labels", "labels belong to the top-level `volumes`"),
    ],
};

static TMPFS: Object = Object { name: "`tmpfs`", keys: &[yes("size"), yes("mode")] };

pub(crate) static DEPLOY: Object = Object {
    name: "`deploy`",
    keys: &[
        yes("mode"),
        yes("replicas"),
        yes("labels"),
        yes("endpoint_mode"),
        object("placement", &PLACEMENT),
        object("resources", &RESOURCES),
        object("restart_policy", &RESTART_POLICY),
        object("update_config", &UPDATE),
        object("rollback_config", &UPDATE),
    ],
};

static PLACEMENT: Object = Object {
    name: "`placement`",
    keys: &[yes("constraints"), list("preferences", &PREFERENCE), yes("max_replicas_per_node")],
};

static PREFERENCE: Object = Object { name: "a preference", keys: &[yes("spread")] };

static RESOURCES: Object = Object {
    name: "`resources`",
    keys: &[object("limits", &LIMITS), object("reservations", &RESERVATIONS)],
};

static LIMITS: Object =
    Object { name: "`limits`", keys: &[yes("cpus"), yes("memory"), yes("pids")] };

static RESERVATIONS: Object = Object {
    name: "`reservations`",
    keys: &[
        yes("cpus"),
        yes("memory"),
        list("generic_resources", &GENERIC),
        list("devices", &DEVICE_REQUEST),
    ],
};

static GENERIC: Object =
    Object { name: "a generic resource", keys: &[object("discrete_resource_spec", &DISCRETE)] };

static DISCRETE: Object =
    Object { name: "`discrete_resource_spec`", keys: &[yes("kind"), yes("value")] };

static DEVICE_REQUEST: Object = Object {
    name: "a request for devices",
    keys: &[yes("capabilities"), yes("count"), yes("device_ids"), yes("driver"), yes("options")],
};

static RESTART_POLICY: Object = Object {
    name: "`restart_policy`",
    keys: &[yes("condition"), yes("delay"), yes("max_attempts"), yes("window")],
};

static UPDATE: Object = Object {
    name: "`update_config` or `rollback_config`",
    keys: &[
        yes("parallelism"),
        yes("delay"),
        yes("failure_action"),
        yes("monitor"),
        yes("max_failure_ratio"),
        yes("order"),
    ],
};
