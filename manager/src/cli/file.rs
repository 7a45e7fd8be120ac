//! `skep config …` and `skep secret …`: the same words for both.

use super::args::filter::FileFilter;
use super::args::format::{Format, JsonOnly};
use super::args::grants::GrantWishes;
use super::args::pairs::parse_label;
use super::error::CliError;
use super::out;
use super::render::files;
use super::seen::all;
use super::target::{Target, accept};
use clap::{Args, Subcommand};
use common::file::{Content, FileKind, Grant, NewFile};
use common::service::ServiceSpec;
use common::units::display_bytes;
use common::{FileId, Name, Stamp};
use proto::convert::{Shown, file_key};
use proto::v1;
use shell::sealing::FileKey;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
pub(super) enum FileCommand {
    /// Makes one of a file's content, or of what is typed or piped in
    Create(Create),
    /// Lists them
    #[command(alias = "list")]
    Ls(Ls),
    /// Shows all that may be shown
    Inspect(Inspect),
    /// Removes those that no service uses
    #[command(alias = "remove")]
    Rm(Rm),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A label
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// Its name, which belongs to it alone
    name: Name,
    /// Where its content is; `-` is the standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// IDs alone
    #[arg(long, short)]
    quiet: bool,
    /// Only what fits, as in name=db; keys: id, name and label
    #[arg(long = "filter", short, value_name = "KEY=VALUE")]
    filters: Vec<FileFilter>,
    /// table or json
    #[arg(long, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// For people
    #[arg(long)]
    pretty: bool,
    /// json, which it is anyway
    #[arg(long, short, conflicts_with = "pretty")]
    format: Option<JsonOnly>,
    /// Names, IDs or beginnings of IDs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Rm {
    /// Names, IDs or beginnings of IDs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

pub(super) async fn run(
    target: &Target,
    kind: FileKind,
    command: FileCommand,
) -> Result<(), CliError> {
    match command {
        FileCommand::Create(given) => create(target, kind, given).await,
        FileCommand::Ls(given) => ls(target, kind, given).await,
        FileCommand::Inspect(given) => inspect(target, kind, given).await,
        FileCommand::Rm(given) => rm(target, kind, given).await,
    }
}

async fn create(target: &Target, kind: FileKind, given: Create) -> Result<(), CliError> {
    let content = read(kind, &given)?;
    let key = sealing_key(target).await?;
    let new = new_file(&key, kind, given, &content)?;
    let request = v1::CreateFileRequest::from(&new);
    let answer = accept(target.control().await?.create_file(request).await?);
    out::line(&FileId(answer.id).to_string())
}

/// What seals secrets, so that no manager ever sees one.
pub(super) async fn sealing_key(target: &Target) -> Result<FileKey, CliError> {
    let answer = accept(target.control().await?.get_sealing_key(v1::Empty {}).await?);
    FileKey::new(&file_key(answer.key)?).map_err(|it| CliError::Failed(it.to_string()))
}

fn new_file(
    key: &FileKey,
    kind: FileKind,
    given: Create,
    clear: &[u8],
) -> Result<NewFile, CliError> {
    let Create { labels, name, .. } = given;
    let content: Content = key
        .content(kind, &name, clear)
        .map_err(|it| CliError::Failed(format!("{kind} {name}: {it}")))?;
    let labels = labels.into_iter().collect();
    Ok(NewFile { labels, stack: None, digest: key.digest(clear), content, name })
}

/// In one piece of memory, which is wiped: a buffer that grows would leave copies behind.
fn read(kind: FileKind, given: &Create) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let most = kind.bytes_max();
    let mut content = Zeroizing::new(Vec::with_capacity(most + 2));
    let unreadable = |source| CliError::Unreadable { path: given.file.clone(), source };
    let limit = most as u64 + 1;
    if given.file == Path::new("-") {
        let stdin = io::stdin().lock();
        stdin.take(limit).read_to_end(&mut content).map_err(unreadable)?;
    } else {
        let file = File::open(&given.file).map_err(unreadable)?;
        file.take(limit).read_to_end(&mut content).map_err(unreadable)?;
    }
    if content.len() > most {
        return Err(CliError::Usage(format!(
            "{}: a {kind} may have {} at most: put what is larger into a volume or an image",
            given.file.display(),
            display_bytes(most as u64)
        )));
    }
    Ok(content)
}

async fn find(target: &Target, request: v1::ListFilesRequest) -> Result<Found, CliError> {
    let answer = accept(target.control().await?.list_files(request).await?);
    let now = answer.now.map(Stamp::from).unwrap_or_default();
    Ok(Found { files: all(answer.files)?, now })
}

struct Found {
    files: Vec<Shown>,
    now: Stamp,
}

fn of_kind(kind: FileKind) -> v1::ListFilesRequest {
    v1::ListFilesRequest { kind: v1::FileKind::from(kind).into(), ..Default::default() }
}

async fn ls(target: &Target, kind: FileKind, given: Ls) -> Result<(), CliError> {
    let mut found = find(target, of_kind(kind)).await?;
    let old = files::old(&found.files);
    found.files.retain(|it| files::matches(it, &given.filters));
    if given.quiet {
        let ids: String = found.files.iter().map(|it| format!("{}\n", it.id)).collect();
        return out::write(&ids);
    }
    out::write(&files::list(kind, (&found.files, &old), found.now, given.format))
}

async fn inspect(target: &Target, kind: FileKind, given: Inspect) -> Result<(), CliError> {
    let request = v1::ListFilesRequest { files: given.names, with_content: true, ..of_kind(kind) };
    let found = find(target, request).await?;
    if !given.pretty {
        return out::write(&files::inspect(&found.files));
    }
    let pages: Vec<String> = found.files.iter().map(files::pretty).collect();
    out::write(&pages.join("\n"))
}

async fn rm(target: &Target, kind: FileKind, given: Rm) -> Result<(), CliError> {
    let kind = v1::FileKind::from(kind).into();
    let request = v1::RemoveFilesRequest { kind, files: given.names.clone() };
    accept(target.control().await?.remove_files(request).await?);
    given.names.iter().try_for_each(|it| out::line(it))
}

/// Finds out which configs and secrets are meant, and gives them to the service.
pub(super) async fn grant(
    target: &Target,
    wishes: GrantWishes<'_>,
    spec: &mut ServiceSpec,
) -> Result<(), CliError> {
    for (kind, wishes) in wishes {
        if wishes.is_empty() {
            continue;
        }
        let files = wishes.iter().map(|it| it.source.clone()).collect();
        let found = find(target, v1::ListFilesRequest { files, ..of_kind(kind) }).await?;
        let meant = wishes.iter().zip(&found.files);
        let grants: Vec<Grant> = meant.map(|(wish, file)| wish.meaning(file)).collect();
        Arc::make_mut(&mut spec.task).container.grants.extend(grants);
    }
    Ok(())
}
