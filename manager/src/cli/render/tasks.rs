//! `service ps` and `node ps`.

use super::ports::in_a_row;
use super::{image_for_people, json_lines, one_line, table};
use crate::cli::args::filter::{TaskFilter, passes};
use crate::cli::args::format::Format;
use crate::cli::seen::SeenTask;
use common::Stamp;
use common::network::PortMode;
use common::task::TaskState;
use common::units::display_age;
use serde_json::json;
use std::cmp::Reverse;

/// How much of an error fits into a line.
const ERROR_WIDTH: usize = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Width {
    Truncated,
    Full,
}

pub(in crate::cli) fn matches(task: &SeenTask, filters: &[TaskFilter]) -> bool {
    passes(filters, |filter| match filter {
        TaskFilter::Id(id) => task.id.to_string().starts_with(id),
        TaskFilter::Name(name) => task.name().starts_with(name),
        TaskFilter::Node(node) => {
            task.node_name == *node || task.node.is_some_and(|it| it.to_string().starts_with(node))
        }
        TaskFilter::Desired(wanted) => task.wanted() == *wanted,
    })
}

/// By slot, and the newest of each first: what came before is its history.
pub(in crate::cli) fn in_order(mut tasks: Vec<SeenTask>) -> Vec<SeenTask> {
    tasks.sort_by_cached_key(|it| {
        (it.service_name.clone(), it.slot, Reverse(it.created.at), Reverse(it.id))
    });
    tasks
}

pub(in crate::cli) fn list(tasks: &[SeenTask], now: Stamp, format: Format, width: Width) -> String {
    match format {
        Format::Table => {
            let mut rows: Vec<[String; 8]> =
                tasks.iter().map(|task| row(task, now, width)).collect();
            let names: Vec<String> = tasks.iter().map(SeenTask::name).collect();
            for (index, pair) in names.windows(2).enumerate() {
                if pair[0] == pair[1] {
                    rows[index + 1][1] = format!(" \\_ {}", pair[1]);
                }
            }
            let header =
                ["ID", "NAME", "IMAGE", "NODE", "DESIRED STATE", "CURRENT STATE", "ERROR", "PORTS"];
            table(header, &rows)
        }
        Format::Json => json_lines(tasks.iter().map(|task| {
            let [id, name, image, node, desired, current, error, ports] = row(task, now, width);
            json!({
                "ID": id, "Name": name, "Image": image, "Node": node, "DesiredState": desired,
                "CurrentState": current, "Error": error, "Ports": ports,
            })
        })),
    }
}

pub(in crate::cli) fn ids(tasks: &[SeenTask]) -> String {
    tasks.iter().map(|it| format!("{}\n", it.id)).collect()
}

fn row(task: &SeenTask, now: Stamp, width: Width) -> [String; 8] {
    let image = match width {
        Width::Truncated => image_for_people(&task.image),
        Width::Full => task.image.clone(),
    };
    // What does not run holds none.
    let ports = match task.state == TaskState::Running {
        true => in_a_row(&task.host_ports, PortMode::Host),
        false => String::new(),
    };
    [
        task.id.to_string(),
        task.name(),
        image,
        task.node_name.clone(),
        task.wanted().as_str().to_owned(),
        current_state(task, now),
        quoted(&task.remark, width),
        ports,
    ]
}

/// `Running 3 seconds ago`
fn current_state(task: &SeenTask, now: Stamp) -> String {
    let age = display_age(task.since.age(now)).to_lowercase();
    format!("{} {age} ago", task.state)
}

fn quoted(text: &str, width: Width) -> String {
    if text.is_empty() {
        return String::new();
    }
    let text = one_line(text);
    if width == Width::Full || text.chars().count() <= ERROR_WIDTH {
        return format!("\"{text}\"");
    }
    let beginning: String = text.chars().take(ERROR_WIDTH - 1).collect();
    format!("\"{beginning}…\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::{NOW, history, task};
    use expect_test::{expect, expect_file};

    #[test]
    fn ps() {
        let tasks = in_order(history());
        expect_file!["expected/ps.txt"].assert_eq(&list(
            &tasks,
            NOW,
            Format::Table,
            Width::Truncated,
        ));
        expect_file!["expected/ps_no_trunc.txt"].assert_eq(&list(
            &tasks,
            NOW,
            Format::Table,
            Width::Full,
        ));
        expect_file!["expected/ps.json"].assert_eq(&list(&tasks, NOW, Format::Json, Width::Full));
        expect![[r#"
            0000000000003
            0000000000001
            0000000000002
            0000000000004
            0000000000005
        "#]]
        .assert_eq(&ids(&tasks));
    }

    #[test]
    fn of_a_job_a_good_end_is_wanted() {
        use TaskState::{Complete, Failed, Running};
        let wanted = |is_job, state| {
            let task = SeenTask { is_job, ..task(1, 1, state, 0) };
            task.wanted().as_str()
        };
        let states = [Running, Complete, Failed];
        assert_eq!(states.map(|it| wanted(true, it)), ["Complete", "Complete", "Shutdown"]);
        assert_eq!(states.map(|it| wanted(false, it)), ["Running", "Shutdown", "Shutdown"]);
    }

    #[test]
    fn filters() {
        for (text, count) in [
            ("desired-state=running", 3),
            ("node=rasp11", 2),
            ("name=web.2", 1),
            ("name=x", 0),
            ("id=0000000000001", 1),
        ] {
            let filters = [text.parse().expect("a filter")];
            let found = history().iter().filter(|it| matches(it, &filters)).count();
            assert_eq!(found, count, "{text}");
        }
    }
}
