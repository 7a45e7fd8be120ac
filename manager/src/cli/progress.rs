//! Waits until a service is what was asked of it, and tells how far it is meanwhile.

use super::error::CliError;
use super::out;
use super::render::progress::{Goal, Progress, Reached, Verdict, of_stack, survey};
use super::seen::{SeenService, SeenTask, all};
use super::target::Target;
use common::{ServiceId, Stamp};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::v1;
use proto::v1::control_client::ControlClient;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Status};

pub(super) const LOOK_PERIOD: Duration = Duration::from_millis(250);
/// Who falls over does so at once; so long all must have run.
const STEADY_FOR: Duration = Duration::from_secs(1);
/// A new leader is found long before.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Nothing,
    Progress,
}

pub(super) async fn wait(
    target: &Target,
    service: ServiceId,
    reached: Option<Reached>,
    telling: Telling,
) -> Result<(), CliError> {
    let watched = Watched {
        what: format!("Service {service}"),
        command: format!("skep service ps {service}"),
        services: BTreeMap::from([(service, reached)]),
        is_stack: false,
    };
    watch(target, &watched, telling, None).await
}

/// What is waited for.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) what: String,
    /// Shows more of it.
    pub(super) command: String,
    /// And what the command made of each.
    pub(super) services: BTreeMap<ServiceId, Option<Reached>>,
    pub(super) is_stack: bool,
}

impl Watched {
    fn removed(&self) -> String {
        let part = if self.is_stack { " or a service of it" } else { "" };
        format!("{}{part} was removed by another command meanwhile", self.what)
    }
}

pub(super) async fn watch(
    target: &Target,
    watched: &Watched,
    telling: Telling,
    limit: Option<Duration>,
) -> Result<(), CliError> {
    let mut screen = Screen::open(telling);
    let result = tokio::select! {
        result = until_converged(target, watched, limit, &mut screen) => result,
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => {
                screen.close();
                return out::line(&format!(
                    "Operation continuing in background.\n\
                     Use `{}` to check progress.",
                    watched.command
                ));
            }
            Err(error) => Err(CliError::Failed(format!("signals cannot be awaited: {error}"))),
        },
    };
    screen.close();
    if result.is_ok() && telling == Telling::Progress {
        out::line(&format!("verify: {} converged", watched.what))?;
    }
    result
}

async fn until_converged(
    target: &Target,
    watched: &Watched,
    limit: Option<Duration>,
    screen: &mut Screen,
) -> Result<(), CliError> {
    let mut client = target.control().await?;
    let mut steady_since = None;
    let begun = Instant::now();
    let mut answered_at = begun;
    loop {
        match look_at(&mut client, watched).await {
            Ok(progress) => {
                answered_at = Instant::now();
                screen.show(&progress)?;
                match progress.verdict {
                    Verdict::Waiting if limit.is_some_and(|it| begun.elapsed() >= it) => {
                        return Err(CliError::Failed(too_late(&progress, &watched.command)));
                    }
                    Verdict::Waiting => steady_since = None,
                    Verdict::Failed { reason, exit_code } => {
                        return Err(CliError::of_job(reason, exit_code));
                    }
                    Verdict::Converged => {
                        let since = *steady_since.get_or_insert(answered_at);
                        if answered_at - since >= STEADY_FOR {
                            return Ok(());
                        }
                    }
                }
            }
            // Managers change while a service starts; that is no reason to stop watching it.
            Err(CliError::Refused(status))
                if status.code() == Code::Unavailable && answered_at.elapsed() < PATIENCE =>
            {
                steady_since = None;
                // The daemon itself may have been started anew.
                client = target.control().await.unwrap_or(client);
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

fn too_late(progress: &Progress, command: &str) -> String {
    let waits = progress.slots.iter().filter(|it| !it.is_well).map(|it| it.text.as_str());
    let waits: Vec<&str> = waits.collect();
    format!("the time is over, and it goes on without us: {} (`{command}`)", waits.join("; "))
}

/// One call for all services, and one for all their tasks.
async fn look_at(
    client: &mut ControlClient<Channel>,
    watched: &Watched,
) -> Result<Progress, CliError> {
    let services: Vec<String> = watched.services.keys().map(ToString::to_string).collect();
    if services.is_empty() {
        return Ok(of_stack(Vec::new()));
    }
    let request = v1::ListServicesRequest { services: services.clone(), with_former: false };
    let found = client.list_services(request).await.map_err(|status| match status.code() {
        Code::NotFound => CliError::Failed(watched.removed()),
        _ => CliError::from(status),
    })?;
    let found: Vec<SeenService> = all(found.into_inner().services)?;
    let request = v1::ListTasksRequest { services, ..v1::ListTasksRequest::default() };
    let answer = client.list_tasks(request).await?.into_inner();
    let now = answer.now.map(Stamp::from).unwrap_or_default();
    let mut tasks: BTreeMap<String, Vec<SeenTask>> = BTreeMap::new();
    for task in all::<_, SeenTask>(answer.tasks)? {
        tasks.entry(task.service_name.clone()).or_default().push(task);
    }
    let mut seen = found.into_iter().map(|it| {
        let name = it.service.spec.name.to_string();
        let tasks = tasks.remove(&name).unwrap_or_default();
        let reached = watched.services.get(&it.service.id).copied().flatten();
        (name, survey(&goal(&it, reached), &tasks, now))
    });
    if watched.is_stack {
        return Ok(of_stack(seen.collect()));
    }
    let (_, progress) = seen.next().ok_or_else(|| Status::not_found("the service was removed"))?;
    Ok(progress)
}

fn goal(seen: &SeenService, reached: Option<Reached>) -> Goal {
    let spec = &seen.service.spec;
    Goal {
        desired: seen.desired,
        restart: spec.task.restart.clone(),
        is_job: spec.mode.is_job(),
        update: seen.service.update.clone(),
        number: seen.service.number,
        reached,
    }
}

enum Screen {
    Dark,
    /// A terminal, whose lines are drawn again.
    Live {
        drawing: MultiProgress,
        lines: Vec<ProgressBar>,
    },
    /// A file or a pipe, which gets a line for every piece of news.
    Lines(Told),
}

impl Screen {
    fn open(telling: Telling) -> Screen {
        match telling {
            Telling::Nothing => Screen::Dark,
            Telling::Progress if std::io::stdout().is_terminal() => {
                let drawing = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
                Screen::Live { drawing, lines: Vec::new() }
            }
            Telling::Progress => Screen::Lines(Told::default()),
        }
    }

    fn show(&mut self, progress: &Progress) -> Result<(), CliError> {
        match self {
            Screen::Dark => Ok(()),
            Screen::Live { drawing, lines } => {
                draw(drawing, lines, progress);
                Ok(())
            }
            Screen::Lines(told) => out::write(&told.news(progress)),
        }
    }

    /// What stands there stays.
    fn close(&mut self) {
        match self {
            Screen::Live { lines, .. } => lines.drain(..).for_each(|it| it.abandon()),
            Screen::Dark | Screen::Lines(_) => {}
        }
    }
}

fn draw(drawing: &MultiProgress, lines: &mut Vec<ProgressBar>, progress: &Progress) {
    let slots = progress.slots.iter().map(|it| &it.text);
    let texts: Vec<&String> = std::iter::once(&progress.summary).chain(slots).collect();
    while lines.len() > texts.len() {
        if let Some(line) = lines.pop() {
            drawing.remove(&line);
        }
    }
    while lines.len() < texts.len() {
        let style =
            ProgressStyle::with_template("{wide_msg}").expect("the template is well-formed");
        lines.push(drawing.add(ProgressBar::no_length().with_style(style)));
    }
    for (line, text) in lines.iter().zip(texts) {
        line.set_message(text.clone());
    }
}

/// What was told already.
#[derive(Debug, Default)]
struct Told {
    summary: String,
    lines: BTreeMap<String, String>,
}

impl Told {
    fn news(&mut self, progress: &Progress) -> String {
        let mut news = String::new();
        for line in &progress.slots {
            if self.lines.get(&line.key) != Some(&line.essence) {
                self.lines.insert(line.key.clone(), line.essence.clone());
                news += &format!("{}\n", line.text);
            }
        }
        if self.summary != progress.summary {
            self.summary.clone_from(&progress.summary);
            news += &format!("{}\n", progress.summary);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::progress::SlotLine;

    #[test]
    fn nothing_is_told_twice() {
        let progress = |summary: &str, essence: &str| Progress {
            summary: summary.to_owned(),
            slots: vec![SlotLine {
                key: "web.1".to_owned(),
                is_well: false,
                text: format!("web.1: {essence}"),
                essence: essence.to_owned(),
            }],
            verdict: Verdict::Waiting,
        };
        let mut told = Told::default();
        let cases = [
            (("0 of 1", "starting"), "web.1: starting\n0 of 1\n"),
            (("0 of 1", "starting"), ""),
            (("1 of 1", "starting"), "1 of 1\n"),
            (("1 of 1", "running"), "web.1: running\n"),
        ];
        for ((summary, essence), expected) in cases {
            assert_eq!(told.news(&progress(summary, essence)), expected);
        }
    }
}
