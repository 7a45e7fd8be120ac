//! `service history`: what a service was made from before.

use super::{image_for_people, json_lines, table};
use crate::cli::args::format::Format;
use common::Stamp;
use common::calendar::rfc3339;
use common::service::{Service, ServiceSpec};
use common::units::display_age;
use common::update::UpdateState;
use serde_json::json;

struct Row<'a> {
    number: u32,
    since: Stamp,
    spec: &'a ServiceSpec,
    note: String,
}

/// The present one first.
pub(in crate::cli) fn list(service: &Service, now: Stamp, format: Format) -> String {
    let present = Row {
        number: service.number,
        since: service.renewed,
        spec: &service.spec,
        note: note(service),
    };
    let former = service.former.iter().rev().map(|it| Row {
        number: it.number,
        since: it.since,
        spec: &it.spec,
        note: String::new(),
    });
    let rows = std::iter::once(present).chain(former);
    match format {
        Format::Table => {
            let rows: Vec<[String; 4]> = rows.map(|it| cells(&it, now)).collect();
            table(["VERSION", "SINCE", "IMAGE", "NOTE"], &rows)
        }
        Format::Json => json_lines(rows.map(|it| {
            json!({
                "Version": it.number,
                "Since": rfc3339(it.since.wall),
                "Image": it.spec.task.container.image.as_given(),
                "Note": it.note,
            })
        })),
    }
}

fn cells(row: &Row<'_>, now: Stamp) -> [String; 4] {
    [
        row.number.to_string(),
        format!("{} ago", display_age(row.since.age(now))),
        image_for_people(row.spec.task.container.image.as_given()),
        row.note.clone(),
    ]
}

fn note(service: &Service) -> String {
    let Some(update) = &service.update else { return "present".to_owned() };
    let state = match update.state {
        UpdateState::Updating => "being rolled out",
        UpdateState::Paused => "paused",
        UpdateState::Completed => "present",
        UpdateState::RollingBack => "being rolled back to",
        UpdateState::RollbackPaused => "rollback paused",
        UpdateState::RolledBack => "rolled back to",
    };
    update.trouble.as_ref().map_or(state.to_owned(), |it| format!("{state}: {it}"))
}
