//! What compose files say becomes the cluster's.

use super::reading::{self, ProjectFlags};
use crate::cli::args::format::Format;
use crate::cli::args::later::DeployFlags;
use crate::cli::error::CliError;
use crate::cli::file::sealing_key;
use crate::cli::out;
use crate::cli::progress::{Telling, Watched, watch};
use crate::cli::render::progress::Reached;
use crate::cli::render::stacks;
use crate::cli::seen::all;
use crate::cli::service::Waiting;
use crate::cli::target::{Target, accept};
use clap::Args;
use common::file::{FileKind, NewFile};
use common::stack::{NetworkPlan, PlannedAction, ServicePlan, StackSpec};
use common::units::parse_duration;
use common::{FileId, IdGen, Name, NodeId, ServiceId};
use compose::Loaded;
use compose::model::Content;
use compose::spec::{Around, DeclaredFile, Specs};
use proto::convert::Shown;
use proto::v1;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zeroize::Zeroizing;

#[derive(Debug, Args)]
pub(in crate::cli) struct Deploy {
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    project: ProjectFlags,
    /// Removes services of the stack that the files do not name any more
    #[arg(long)]
    prune: bool,
    /// Waits no longer than this, as in 5m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    swarm: DeployFlags,
    /// The stack's name
    stack: Name,
    /// Only these services and what they depend on
    services: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Plan {
    #[command(flatten)]
    project: ProjectFlags,
    /// As if deployed with --prune
    #[arg(long)]
    prune: bool,
    /// table or json
    #[arg(long, default_value = "table")]
    format: Format,
    /// The stack's name
    stack: Name,
    /// Only these services and what they depend on
    services: Vec<String>,
}

/// Of a part of the files nobody can tell what the rest of the stack is to be.
fn check_prune(prune: bool, services: &[String]) -> Result<(), CliError> {
    if prune && !services.is_empty() {
        return Err(CliError::Usage(format!(
            "--prune removes services that the files do not name any more, and only {} of them \
             was asked for: leave out --prune, or name no services",
            services.join(", ")
        )));
    }
    Ok(())
}

pub(super) async fn plan(target: &Target, given: Plan) -> Result<(), CliError> {
    check_prune(given.prune, &given.services)?;
    let loaded = reading::load(&given.project, Some(&given.stack), &given.services)?;
    let wish = (given.stack, given.prune, given.services.as_slice());
    let composed = composed(target, &loaded, wish).await?;
    let planned = ask(target, &composed, Doing::Plan).await?;
    out::write(&planned.shown(given.format))
}

pub(super) async fn deploy(target: &Target, given: Deploy) -> Result<(), CliError> {
    given.waiting.check_timeout(given.timeout)?;
    check_prune(given.prune, &given.services)?;
    given.swarm.warning().into_iter().for_each(out::warning);
    let loaded = reading::load(&given.project, Some(&given.stack), &given.services)?;
    let wish = (given.stack.clone(), given.prune, given.services.as_slice());
    let composed = composed(target, &loaded, wish).await?;
    let planned = ask(target, &composed, Doing::Deploy).await?;
    if given.waiting.telling() == Telling::Progress {
        out::write(&planned.shown(Format::Table))?;
    }
    if given.waiting.detach {
        return Ok(());
    }
    let named: Vec<&Name> =
        planned.services.iter().filter(|it| stays(&it.action)).map(|it| &it.name).collect();
    let mut found = super::services_of(target, &given.stack).await?;
    found.retain(|it| named.contains(&&it.service.spec.name));
    let reached = |id: ServiceId| planned.reached.get(&id).copied();
    let watched = Watched {
        what: format!("Stack {}", given.stack),
        command: format!("skep stack ps {}", given.stack),
        services: found.iter().map(|it| (it.service.id, reached(it.service.id))).collect(),
        is_stack: true,
    };
    watch(target, &watched, given.waiting.telling(), given.timeout).await
}

fn stays(action: &PlannedAction) -> bool {
    match action {
        PlannedAction::Create { .. } | PlannedAction::Update { .. } | PlannedAction::Keep => true,
        PlannedAction::Remove { .. } | PlannedAction::Orphan => false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Plan,
    Deploy,
}

/// What the files ask for.
struct Composed {
    spec: StackSpec,
    /// The node that relative paths mean.
    here: Option<NodeId>,
}

struct Planned {
    here: Option<NodeId>,
    services: Vec<ServicePlan>,
    new_files: Vec<String>,
    networks: Vec<NetworkPlan>,
    reached: BTreeMap<ServiceId, Reached>,
}

impl Planned {
    fn shown(&self, format: Format) -> String {
        let Planned { here, services, new_files, networks, reached: _ } = self;
        stacks::plan(services, &stacks::Around { new_files, networks, here: *here }, format)
    }
}

async fn ask(target: &Target, composed: &Composed, doing: Doing) -> Result<Planned, CliError> {
    let Composed { spec, here } = composed;
    let plan_only = doing == Doing::Plan;
    let request = v1::DeployStackRequest { spec: Some(v1::StackSpec::from(spec)), plan_only };
    let answer = accept(target.control().await?.deploy_stack(request).await?);
    answer.warnings.iter().for_each(|it| out::warning(it));
    Ok(Planned {
        here: *here,
        services: all(answer.services)?,
        new_files: answer.new_files,
        networks: all(answer.networks)?,
        reached: answer.reached.into_iter().map(|it| (ServiceId(it.service), it.into())).collect(),
    })
}

async fn composed(
    target: &Target,
    loaded: &Loaded,
    (name, prune, chosen): (Name, bool, &[String]),
) -> Result<Composed, CliError> {
    let declared = compose::spec::files(loaded).map_err(reading::refused)?;
    let (known, files) = files(target, &name, declared).await?;
    let here = own_node(target).await?;
    let around = Around { node: here, files: &known };
    let specs = compose::spec::services(loaded, &around).map_err(reading::refused)?;
    specs.warnings.iter().for_each(|it| out::warning(&it.to_string()));
    let Specs { services, networks, .. } = specs;
    let is_partial = !chosen.is_empty();
    let spec = StackSpec { name, services, files, networks, prune, is_partial };
    Ok(Composed { spec, here })
}

/// Where relative paths lie.
async fn own_node(target: &Target) -> Result<Option<NodeId>, CliError> {
    let request = v1::ListNodesRequest { nodes: vec!["self".to_owned()] };
    let answer = accept(target.control().await?.list_nodes(request).await?);
    let node = answer.nodes.into_iter().next().and_then(|it| it.node);
    Ok(node.map(|it| NodeId(it.id)))
}

type Known = BTreeMap<(FileKind, String), (FileId, Name)>;

/// By which ids the services are to know their files, and those that are new or whose content has
/// changed.
async fn files(
    target: &Target,
    stack: &Name,
    declared: Vec<DeclaredFile>,
) -> Result<(Known, Vec<(FileId, NewFile)>), CliError> {
    let (mut known, mut new) = (Known::new(), Vec::new());
    if declared.is_empty() {
        return Ok((known, new));
    }
    let key = sealing_key(target).await?;
    let there = [list(target, FileKind::Config).await?, list(target, FileKind::Secret).await?];
    let there: Vec<Shown> = there.into_iter().flatten().collect();
    let mut ids = IdGen::from_seed(shell::clock::seed());
    for file in declared {
        let DeclaredFile { kind, key: named, name, labels, content } = file;
        // Of several versions the newest has the name.
        let versions = there.iter().filter(|it| it.kind == kind && it.name == name);
        let there = versions.max_by_key(|it| it.created);
        let id = match (content, there) {
            (None, Some(there)) => there.id,
            (None, None) => {
                return Err(CliError::Failed(format!(
                    "there is no {kind} {name}, which the files say is there already (external): \
                     make it with `skep {kind} create {name} FILE`"
                )));
            }
            (Some(content), there) => {
                let clear = read(kind, &name, content)?;
                let digest = key.digest(&clear);
                let same =
                    there.filter(|it| it.digest == digest && it.stack.as_ref() == Some(stack));
                match same {
                    Some(there) => there.id,
                    None => {
                        let content = key.content(kind, &name, &clear);
                        let content = content
                            .map_err(|it| CliError::Failed(format!("{kind} {name}: {it}")))?;
                        let id = ids.file();
                        let (name, stack) = (name.clone(), Some(stack.clone()));
                        new.push((id, NewFile { name, labels, stack, digest, content }));
                        id
                    }
                }
            }
        };
        known.insert((kind, named), (id, name));
    }
    Ok((known, new))
}

async fn list(target: &Target, kind: FileKind) -> Result<Vec<Shown>, CliError> {
    let request =
        v1::ListFilesRequest { kind: v1::FileKind::from(kind).into(), ..Default::default() };
    let answer = accept(target.control().await?.list_files(request).await?);
    Ok(all(answer.files)?)
}

/// What was made along with a stack, each by what it is and its name: older versions share that.
pub(super) async fn files_of(target: &Target, stack: &Name) -> Result<Vec<String>, CliError> {
    let mut found = Vec::new();
    for kind in [FileKind::Secret, FileKind::Config] {
        let files = list(target, kind).await?;
        let names: BTreeSet<Name> = files
            .into_iter()
            .filter(|it| it.stack.as_ref() == Some(stack))
            .map(|it| it.name)
            .collect();
        found.extend(names.iter().map(|it| format!("{kind} {it}")));
    }
    Ok(found)
}

fn read(kind: FileKind, name: &Name, content: Content) -> Result<Zeroizing<Vec<u8>>, CliError> {
    Ok(Zeroizing::new(match content {
        Content::File(path) => {
            let size = std::fs::metadata(&path).map_or(0, |it| it.len());
            if size > kind.bytes_max() as u64 {
                return Err(CliError::Usage(format!(
                    "{}: {kind} {name} is larger than {} bytes, the maximum",
                    path.display(),
                    kind.bytes_max()
                )));
            }
            std::fs::read(&path).map_err(|source| CliError::Unreadable { path, source })?
        }
        Content::Environment { value, .. } | Content::Inline(value) => value.reveal().to_vec(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pruned_is_known_of_whole_stacks_alone() {
        let web = ["web".to_owned()];
        assert!(check_prune(true, &[]).is_ok());
        assert!(check_prune(false, &web).is_ok());
        let refused = check_prune(true, &web).expect_err("a part of a stack").to_string();
        assert!(refused.contains("leave out --prune"), "{refused}");
    }
}
