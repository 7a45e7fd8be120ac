//! What users ask of configs and secrets. Nothing here opens a seal: managers never do.

use super::control::{new_ids, not_found, refused};
use crate::manager::Manager;
use common::file::{FileKind, NewFile};
use manager_core::change::{Change, FileChange};
use manager_core::{file_requests, lookup};
use proto::convert::{Malformed, Shown};
use proto::v1;
use shell::sealing::new_file_key;
use tonic::Status;

type Answer<T> = Result<T, Status>;

fn malformed(error: Malformed) -> Status {
    Status::invalid_argument(error.to_string())
}

fn read_kind(number: i32) -> Answer<FileKind> {
    let kind = v1::FileKind::try_from(number).unwrap_or_default();
    FileKind::try_from(kind).map_err(malformed)
}

pub(super) async fn create(
    manager: &Manager,
    request: v1::CreateFileRequest,
) -> Answer<v1::CreateFileResponse> {
    let new = NewFile::try_from(request).map_err(malformed)?;
    let (id, changes) =
        file_requests::create(&manager.state(), new, &mut new_ids()).map_err(refused)?;
    manager.commit(changes).await?;
    Ok(v1::CreateFileResponse { id: id.0 })
}

pub(super) fn list(
    manager: &Manager,
    request: &v1::ListFilesRequest,
) -> Answer<v1::ListFilesResponse> {
    let (kind, state) = (read_kind(request.kind)?, manager.state());
    let mut files = Vec::new();
    if request.files.is_empty() {
        files.extend(state.files(kind));
        files.sort_by(|a, b| a.name.cmp(&b.name));
    }
    for given in &request.files {
        files.push(lookup::file(&state, kind, given).map_err(not_found)?);
    }
    let shown = files.into_iter().map(|file| match request.with_content {
        true => Shown::with_content(file),
        false => Shown::without_content(file),
    });
    let files = shown.map(|it| v1::FileView::from(&it)).collect();
    Ok(v1::ListFilesResponse { files, now: Some(v1::Stamp::from(&manager.now())) })
}

pub(super) async fn set_labels(
    manager: &Manager,
    request: v1::SetFileLabelsRequest,
) -> Answer<v1::Empty> {
    let kind = read_kind(request.kind)?;
    let labels = request.labels;
    let changes = file_requests::set_labels(&manager.state(), kind, &request.file, labels);
    manager.commit(changes.map_err(refused)?).await?;
    Ok(v1::Empty {})
}

pub(super) async fn remove(
    manager: &Manager,
    request: &v1::RemoveFilesRequest,
) -> Answer<v1::RemoveFilesResponse> {
    let kind = read_kind(request.kind)?;
    let changes = file_requests::remove(&manager.state(), kind, &request.files).map_err(refused)?;
    let removed = |change: &Change| {
        let Change::File(FileChange::Remove { file }) = change else { return None };
        Some(file.0)
    };
    let ids = changes.iter().filter_map(removed).collect();
    manager.commit(changes).await?;
    Ok(v1::RemoveFilesResponse { ids })
}

/// Clusters of early versions have none until it is asked for.
pub(super) async fn sealing_key(manager: &Manager) -> Answer<v1::GetSealingKeyResponse> {
    if manager.cluster()?.file_key.is_none() {
        let change = FileChange::MakeKey { key: new_file_key() };
        manager.commit(vec![Change::File(change)]).await?;
    }
    let key = manager.cluster()?.file_key.clone();
    let key = key.ok_or_else(|| Status::unavailable("the cluster's key is being made; try again"));
    Ok(v1::GetSealingKeyResponse { key: key?.reveal().to_vec() })
}
