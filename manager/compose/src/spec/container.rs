//! What runs in a task of a service.

use super::{Source, stack_labels};
use crate::model::Grant;
use crate::problem::quote;
use common::container::{ContainerSpec, Dns, Kernel, STOP_GRACE_DEFAULT};
use common::file::{self, FileKind, GRANT_MODE_DEFAULT};

impl Source<'_> {
    pub(super) fn container(&self) -> ContainerSpec {
        let it = self.service;
        ContainerSpec {
            image: it.image.clone(),
            pull_policy: it.pull_policy.unwrap_or_default(),
            platform: it.platform.clone(),
            entrypoint: it.entrypoint.clone(),
            args: it.command.clone(),
            env: it.environment.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            labels: stack_labels(self.loaded, &it.labels),
            annotations: it.annotations.clone(),
            hostname: it.hostname.clone(),
            domain_name: it.domain_name.clone(),
            workdir: it.working_dir.clone(),
            user: it.user.clone(),
            groups: it.groups.clone(),
            mounts: self.mounts(),
            stop_signal: it.stop_signal.clone(),
            stop_grace: it.stop_grace_period.unwrap_or(STOP_GRACE_DEFAULT),
            init: it.init,
            health: it.health.clone(),
            tty: it.tty,
            stdin_open: it.stdin_open,
            read_only: it.read_only,
            network: self.container_network(),
            dns: Dns {
                servers: it.dns.clone(),
                search: it.dns_search.clone(),
                options: it.dns_options.clone(),
            },
            extra_hosts: it.extra_hosts.clone(),
            logging: it.logging.clone(),
            kernel: Kernel {
                device_requests: it.deploy.reservations.devices.clone(),
                ..it.kernel.clone()
            },
            grants: self.grants(),
        }
    }

    fn grants(&self) -> Vec<file::Grant> {
        let kinds = [
            (FileKind::Config, "configs", &self.service.configs),
            (FileKind::Secret, "secrets", &self.service.secrets),
        ];
        let mut found = Vec::new();
        for (kind, list, grants) in kinds {
            for (index, grant) in grants.iter().enumerate() {
                found.extend(self.grant(kind, grant, &[list, &index.to_string()]));
            }
        }
        found
    }

    fn grant(&self, kind: FileKind, grant: &Grant, path: &[&str]) -> Option<file::Grant> {
        let known = self.around.files.get(&(kind, grant.source.clone()));
        if known.is_none() {
            let source = quote(&grant.source);
            self.error(
                path,
                format!("{kind} {source} is not in the cluster, nor made with the stack"),
            );
        }
        let owner = |key: &'static str, given: &Option<String>| {
            let Some(text) = given else { return Some(0) };
            let number = text.parse::<u32>();
            if number.is_err() {
                let at: Vec<&str> = path.iter().copied().chain([key]).collect();
                let text = format!("`{key}` wants a number, not {}", quote(text));
                self.error(&at, text);
            }
            number.ok()
        };
        let (uid, gid) = (owner("uid", &grant.uid), owner("gid", &grant.gid));
        let (id, name) = known?;
        Some(file::Grant {
            file: *id,
            kind,
            name: name.clone(),
            target: grant.target.clone(),
            uid: uid?,
            gid: gid?,
            mode: grant.mode.unwrap_or(GRANT_MODE_DEFAULT),
        })
    }
}
