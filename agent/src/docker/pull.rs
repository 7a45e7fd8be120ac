//! Pulling an image, with a word on how far it is and an end where nothing moves.

use super::error::pull_failure;
use crate::containers::PullProgress;
use agent_core::container::{ImageWish, OperationFailure};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use common::image::ImageRef;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::{Stream, StreamExt};

/// Without a sign of progress for so long, the registry counts as not there.
const STALL_LIMIT: Duration = Duration::from_secs(5);
/// Unpacking says nothing for as long as a slow card takes to write a layer.
const UNPACK_LIMIT: Duration = Duration::from_secs(120);
const WORD_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn pull(
    client: &Docker,
    wish: &ImageWish,
    progress: mpsc::Sender<PullProgress>,
) -> Result<(), OperationFailure> {
    let image = &wish.image;
    // The reference in full always has a tag or a digest: without one, all tags would be pulled.
    let mut options = CreateImageOptionsBuilder::new().from_image(image.full());
    if let Some(platform) = &wish.platform {
        options = options.platform(&platform.to_string());
    }
    let steps = client.create_image(Some(options.build()), None, None);
    tokio::pin!(steps);
    let mut meter = Meter::default();
    let mut last_word = Instant::now();
    loop {
        let limit = if meter.is_unpacking() { UNPACK_LIMIT } else { STALL_LIMIT };
        match next_that_moves(&mut meter, &mut steps, limit).await {
            Some(moved) => moved?,
            None => return Ok(()),
        }
        if last_word.elapsed() >= WORD_EVERY {
            last_word = Instant::now();
            // A word that nobody has time for is followed by another.
            let (image, words) = (image.full().to_owned(), meter.word(image));
            drop(progress.try_send(PullProgress { image, words }));
        }
    }
}

/// Docker repeats itself while it waits; only what moves the meter counts.
async fn next_that_moves(
    meter: &mut Meter,
    steps: &mut (impl Stream<Item = Result<CreateImageInfo, Error>> + Unpin),
    limit: Duration,
) -> Option<Result<(), OperationFailure>> {
    let stalled = tokio::time::sleep(limit);
    tokio::pin!(stalled);
    loop {
        tokio::select! {
            step = steps.next() => match step {
                Some(Ok(step)) if meter.take(&step) => return Some(Ok(())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some(Err(pull_failure(&error))),
                None => return None,
            },
            () = &mut stalled => {
                let detail = format!("no progress for {} s", limit.as_secs());
                return Some(Err(OperationFailure::RegistryUnreachable { detail }));
            }
        }
    }
}

/// How much of each layer has come.
#[derive(Debug, Default)]
struct Meter {
    layers: BTreeMap<String, Layer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Layer {
    status: String,
    current_bytes: u64,
    total_bytes: u64,
}

impl Meter {
    /// Answers whether anything is new.
    fn take(&mut self, step: &CreateImageInfo) -> bool {
        let id = step.id.clone().unwrap_or_default();
        let status = step.status.clone().unwrap_or_default();
        let before = self.layers.get(&id);
        let detail = step.progress_detail.as_ref();
        let number = |it: Option<i64>| it.and_then(|it| u64::try_from(it).ok());
        let current = number(detail.and_then(|it| it.current));
        let total = number(detail.and_then(|it| it.total));
        let layer = Layer {
            current_bytes: current.unwrap_or(0),
            // Extracting counts in the same bytes; done is said without numbers.
            total_bytes: total.or(before.map(|it| it.total_bytes)).unwrap_or(0),
            status,
        };
        // Each retry counts down in words of its own, and is no progress.
        let is_retry = layer.status.starts_with("Retrying");
        let is_news = before != Some(&layer) && !is_retry;
        if is_news {
            self.layers.insert(id, layer);
        }
        is_news
    }

    fn is_unpacking(&self) -> bool {
        let any = |words: &[&str]| self.layers.values().any(|it| words.contains(&&*it.status));
        any(&["Extracting", "Verifying Checksum"])
            || any(&["Download complete"]) && !any(&["Downloading"])
    }

    fn word(&self, image: &ImageRef) -> String {
        let total: u64 = self.layers.values().map(|it| it.total_bytes).sum();
        let come = self.layers.values().map(|it| match it.status.as_str() {
            "Downloading" => it.current_bytes,
            "Waiting" | "Pulling fs layer" => 0,
            _ => it.total_bytes,
        });
        let mebibytes = |bytes: u64| bytes >> 20;
        match total {
            0 => format!("pulling {image}"),
            total => format!(
                "pulling {image} ({} of {} MiB)",
                mebibytes(come.sum()),
                mebibytes(total).max(1)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    fn step(id: &str, status: &str, bytes: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: bytes.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn how_far_a_pull_is() {
        let image = "redis:7".parse().unwrap();
        let mut meter = Meter::default();
        let mib = 1 << 20;
        let story = [
            (step("7", "Pulling from library/redis", None), true, "pulling redis:7"),
            (step("a", "Pulling fs layer", None), true, "pulling redis:7"),
            (
                step("a", "Downloading", Some((mib, 20 * mib))),
                true,
                "pulling redis:7 (1 of 20 MiB)",
            ),
            (
                step("a", "Downloading", Some((mib, 20 * mib))),
                false,
                "pulling redis:7 (1 of 20 MiB)",
            ),
            (
                step("b", "Downloading", Some((4 * mib, 10 * mib))),
                true,
                "pulling redis:7 (5 of 30 MiB)",
            ),
            (step("b", "Retrying in 5 seconds", None), false, "pulling redis:7 (5 of 30 MiB)"),
            (step("b", "Retrying in 4 seconds", None), false, "pulling redis:7 (5 of 30 MiB)"),
            (step("a", "Download complete", None), true, "pulling redis:7 (24 of 30 MiB)"),
        ];
        for (step, is_news, word) in story {
            assert_eq!(meter.take(&step), is_news, "{step:?}");
            assert_eq!(meter.word(&image), word, "{step:?}");
        }
    }
}
