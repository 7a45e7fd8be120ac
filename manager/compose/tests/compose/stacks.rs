//! Example stacks as people write them: each loads, and what is printed of it means the same.

use crate::door::{Memory, request, shown};
use expect_test::{Expect, expect};
use std::path::{Path, PathBuf};

pub(crate) const EXAMPLES: [(&str, &str); 7] = [
    ("assignment.yml", include_str!("../stacks/assignment.yml")),
    ("assignment.env", include_str!("../stacks/assignment.env")),
    ("counter.yml", include_str!("../stacks/counter.yml")),
    ("monitoring.yml", include_str!("../stacks/monitoring.yml")),
    ("shop.yml", include_str!("../stacks/shop.yml")),
    ("survey.yml", include_str!("../stacks/survey.yml")),
    ("workshop.yml", include_str!("../stacks/workshop.yml")),
];

#[track_caller]
fn check(name: &str, expected: Expect) {
    let mut request = request(&[name]);
    let variables = Path::new(name).with_extension("env");
    if EXAMPLES.iter().any(|(name, _)| Path::new(name) == variables) {
        request.env_files.push(variables);
    }
    let outcome = compose::load(&request, &Memory::of(&EXAMPLES));
    if let Ok(loaded) = &outcome {
        let again = Memory::of(&[("printed.yml", &loaded.render())]);
        let mut request = request.clone();
        request.files = vec![PathBuf::from("printed.yml")];
        request.env_files = Vec::new();
        request.stack = None;
        let second = compose::load(&request, &again).expect("what is printed can be read");
        assert_eq!(second.project, loaded.project, "{name} means another thing when printed");
        assert_eq!(second.render(), loaded.render(), "{name} is printed differently");
    }
    expected.assert_eq(&shown(&outcome));
}

#[test]
fn assignment() {
    check(
        "assignment.yml",
        expect![[r#"
            name: demo
            services:
              notifications-service:
                command:
                  - "--secret-key"
                  - not-a-real-key-0123456789abcdef
                  - "--external-ip"
                  - "127.0.0.1"
                environment:
                  SERVICE_ENVIRONMENT: production
                extra_hosts:
                  host.docker.internal:
                    - host-gateway
                image: demo/notifications-service
                logging:
                  driver: json-file
                  options:
                    max-file: 5
                    max-size: "100m"
                ports:
                  - protocol: tcp
                    published: 3000
                    target: 3000
                volumes:
                  - bind:
                      create_host_path: true
                    read_only: true
                    source: "/srv/my stack: one/assignment.env"
                    target: /app/.env
                    type: bind
              requestor:
                command:
                  - http://notifications-service:3000/notify
                  - "--append"
                  - /results/latencies.txt
                depends_on:
                  notifications-service:
                    condition: service_started
                deploy:
                  mode: replicated-job
                  replicas: 3
                image: demo/requestor
                volumes:
                  - bind:
                      create_host_path: true
                    read_only: false
                    source: "/srv/my stack: one/results"
                    target: /results
                    type: bind
        "#]],
    );
}

#[test]
fn counter() {
    check(
        "counter.yml",
        expect![[r#"
            name: demo
            services:
              redis:
                deploy:
                  placement:
                    constraints:
                      - node.role == manager
                  replicas: 1
                image: redis:alpine
                networks:
                  webnet:
              web:
                depends_on:
                  redis:
                    condition: service_started
                deploy:
                  replicas: 3
                  restart_policy:
                    condition: on-failure
                  update_config:
                    delay: 10s
                    parallelism: 1
                image: stackdemo
                networks:
                  webnet:
                ports:
                  - protocol: tcp
                    published: 8000
                    target: 8000
            networks:
              webnet:
                driver: overlay
        "#]],
    );
}

#[test]
fn monitoring() {
    check(
        "monitoring.yml",
        expect![[r#"
            name: demo
            services:
              cadvisor:
                deploy:
                  mode: global
                image: demo/cadvisor
                ports:
                  - protocol: tcp
                    published: 8080
                    target: 8080
                volumes:
                  - bind:
                      create_host_path: true
                    read_only: true
                    source: /
                    target: /rootfs
                    type: bind
                  - bind:
                      create_host_path: true
                    read_only: true
                    source: /var/run/docker.sock
                    target: /var/run/docker.sock
                    type: bind
                  - bind:
                      create_host_path: true
                    read_only: true
                    source: /sys
                    target: /sys
                    type: bind
              prometheus:
                configs:
                  - mode: 0444
                    source: prometheus.yml
                    target: /etc/prometheus/prometheus.yml
                deploy:
                  placement:
                    constraints:
                      - node.role == manager
                    max_replicas_per_node: 1
                  resources:
                    limits:
                      cpus: "0.5"
                      memory: 256M
                      pids: 100
                    reservations:
                      cpus: "0.1"
                      memory: 64M
                image: demo/prometheus
                ports:
                  - mode: host
                    protocol: tcp
                    published: "9090"
                    target: 9090
            configs:
              prometheus.yml:
                content: "global: {scrape_interval: 2s}\n"
        "#]],
    );
}

#[test]
fn shop() {
    check(
        "shop.yml",
        expect![[r#"
            name: demo
            services:
              bus:
                command: /app bus --to posts:4000 --to comments:4001
                healthcheck:
                  interval: 2s
                  retries: 3
                  start_interval: 200ms
                  start_period: 5s
                  test:
                    - CMD
                    - /app
                    - "--check"
                  timeout: 1s
                image: shop/app:7
                logging:
                  driver: json-file
                  options:
                    max-size: 10m
                networks:
                  front:
                ports:
                  - host_ip: "127.0.0.1"
                    protocol: tcp
                    published: 4005
                    target: 4005
                  - protocol: tcp
                    published: 8443
                    target: 8443
                  - protocol: tcp
                    published: 8444
                    target: 8444
                  - protocol: udp
                    published: "5353"
                    target: 5353
                restart: unless-stopped
                stop_grace_period: 20s
              comments:
                command:
                  - /app
                  - comments
                  - "--port"
                  - "4001"
                deploy:
                  replicas: 2
                healthcheck:
                  interval: 2s
                  retries: 3
                  start_interval: 200ms
                  start_period: 5s
                  test:
                    - CMD
                    - /app
                    - "--check"
                  timeout: 1s
                image: shop/app:7
                logging:
                  driver: json-file
                  options:
                    max-size: 10m
                networks:
                  back:
                  front:
                restart: unless-stopped
                stop_grace_period: 20s
              migrate:
                command: /app migrate
                deploy:
                  mode: replicated-job
                  replicas: 1
                healthcheck:
                  interval: 2s
                  retries: 3
                  start_interval: 200ms
                  start_period: 5s
                  test:
                    - CMD
                    - /app
                    - "--check"
                  timeout: 1s
                image: shop/app:7
                logging:
                  driver: json-file
                  options:
                    max-size: 10m
                networks:
                  back:
                restart: "no"
                secrets:
                  - mode: 0400
                    source: db_password
                    target: db_password
                    uid: "1000"
                stop_grace_period: 20s
              posts:
                command: /app posts --port 4000
                depends_on:
                  migrate:
                    condition: service_completed_successfully
                  store:
                    condition: service_healthy
                deploy:
                  placement:
                    preferences:
                      - spread: node.labels.zone
                  replicas: 3
                  rollback_config:
                    parallelism: 0
                  update_config:
                    failure_action: rollback
                    max_failure_ratio: 0.3
                    monitor: 3s
                    order: start-first
                    parallelism: 2
                healthcheck:
                  interval: 2s
                  retries: 3
                  start_interval: 200ms
                  start_period: 5s
                  test:
                    - CMD
                    - /app
                    - "--check"
                  timeout: 1s
                image: shop/app:7
                logging:
                  driver: json-file
                  options:
                    max-size: 10m
                networks:
                  back: {}
                  front:
                    aliases:
                      - posts-api
                restart: unless-stopped
                stop_grace_period: 20s
              store:
                command: /app store --dir /data
                healthcheck:
                  interval: 2s
                  retries: 3
                  start_interval: 200ms
                  start_period: 5s
                  test:
                    - CMD
                    - /app
                    - "--check"
                  timeout: 1s
                image: shop/app:7
                logging:
                  driver: json-file
                  options:
                    max-size: 10m
                networks:
                  back:
                restart: unless-stopped
                secrets:
                  - source: db_password
                stop_grace_period: 20s
                volumes:
                  - read_only: false
                    source: data
                    target: /data
                    type: volume
                  - target: /tmp
                    tmpfs:
                      size: 16777216
                    type: tmpfs
            networks:
              back:
                driver_opts:
                  encrypted: ""
                internal: true
              front: {}
            volumes:
              data:
                labels:
                  keep: "yes"
            secrets:
              db_password:
                environment: SHOP_DB_PASSWORD
        "#]],
    );
}

#[test]
fn survey_is_not_built_here() {
    check(
        "survey.yml",
        expect![[r#"
        survey.yml:4:5: service `app` has a `build` and no `image`; images are pulled, never built here: build it, push it to a registry and add `image`
    "#]],
    );
}

#[test]
fn workshop() {
    check(
        "workshop.yml",
        expect![[r#"
            name: demo
            services:
              consumer:
                depends_on:
                  producer:
                    condition: service_started
                deploy:
                  replicas: 2
                  restart_policy:
                    condition: on-failure
                image: consumer:latest
              producer:
                deploy:
                  replicas: 1
                  restart_policy:
                    condition: on-failure
                image: producer:latest
                ports:
                  - protocol: tcp
                    published: 5000
                    target: 5000
            warning: workshop.yml:5:5: `build` is ignored: images are pulled, never built here; `image` is used as it is
            warning: workshop.yml:16:5: `build` is ignored: images are pulled, never built here; `image` is used as it is
        "#]],
    );
}
