//! Keeps in touch with the engine: whether it answers, what it says, what there is. One task with
//! one timer, which wakes up every two seconds where nothing happens.

use crate::containers::{Containers, EngineError, EngineNews, Owner};
use crate::health::{EngineHealth, Health};
use crate::host;
use agent_core::container::{ContainerEvent, Seen};
use common::backoff;
use common::node::NodeDescription;
use shell::threads::at_notch;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

const PING_EVERY: Duration = Duration::from_secs(2);
const PING_RETRY: Duration = Duration::from_millis(200);
const PING_LIMIT: Duration = Duration::from_secs(2);
/// Docker drops events when a reader is slow, so what there is is looked at anew now and then.
const LIST_EVERY: Duration = Duration::from_secs(60);
const LIST_LATER: Duration = Duration::from_secs(5);
const LIST_RETRY: Duration = Duration::from_secs(1);
/// One pull makes several events.
/// What is to go may be in use for a moment yet.
const REMOVE_RETRY: Duration = Duration::from_secs(5);
const IMAGES_DEBOUNCE: Duration = Duration::from_millis(50);
const REACH_FIRST: Duration = Duration::from_millis(100);
const REACH_MOST: Duration = Duration::from_secs(2);
const NEWS_MAX: usize = 256;

/// What becomes of the engine and its containers, in order.
#[derive(Debug)]
pub(crate) enum EngineEvent {
    Lost,
    ListingBegun,
    Listed(Vec<Seen>),
    Container(ContainerEvent),
}

#[derive(Debug)]
pub(crate) enum EngineRequest {
    List,
    ListLater,
    /// An operation has had no answer for so long that something must be wrong.
    Hangs(String),
    /// An operation has had an answer.
    Answers,
}

/// What managers are told of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Portrait {
    pub(crate) description: NodeDescription,
    pub(crate) images: BTreeSet<String>,
    /// None: the engine has not been asked yet.
    pub(crate) volumes: Option<BTreeSet<String>>,
}

#[derive(Debug)]
pub(crate) struct EngineWatch<C> {
    pub(crate) containers: Arc<C>,
    pub(crate) owner: Owner,
    pub(crate) events: mpsc::Sender<EngineEvent>,
    pub(crate) requests: mpsc::Receiver<EngineRequest>,
    /// Volumes that managers want removed.
    pub(crate) leaving: watch::Receiver<BTreeSet<String>>,
    pub(crate) health: watch::Sender<EngineHealth>,
    pub(crate) portrait: watch::Sender<Option<Portrait>>,
}

/// The agent's loop has ended, and nobody wants to know any more.
#[derive(Debug)]
struct NobodyListens;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chore {
    List,
    Describe,
    Images,
    Volumes,
    Ping,
}

enum Done {
    Listed(Result<Vec<Seen>, EngineError>),
    Described(Result<Box<NodeDescription>, EngineError>),
    Images(Result<BTreeSet<String>, EngineError>),
    Volumes(Result<BTreeSet<String>, EngineError>),
    Pinged(Result<(), EngineError>),
}

/// When which chore is due.
#[derive(Debug)]
struct Agenda {
    list: Instant,
    describe: Option<Instant>,
    images: Option<Instant>,
    volumes: Option<Instant>,
    ping: Instant,
}

impl Agenda {
    fn begin(now: Instant) -> Agenda {
        Agenda {
            list: now,
            describe: Some(now),
            images: Some(now),
            volumes: Some(now),
            ping: now + PING_EVERY,
        }
    }

    fn next(&self) -> (Instant, Chore) {
        let due = [
            (Some(self.list), Chore::List),
            (self.describe, Chore::Describe),
            (self.images, Chore::Images),
            (self.volumes, Chore::Volumes),
            (Some(self.ping), Chore::Ping),
        ];
        let due = due.into_iter().filter_map(|(at, chore)| Some((at?, chore)));
        due.min_by_key(|(at, _)| *at).expect("listing is always due some time")
    }

    /// What is asked from now on is not answered by the chore that begins.
    fn begun(&mut self, chore: Chore, now: Instant) {
        match chore {
            Chore::List => self.list = now + LIST_EVERY,
            Chore::Describe => self.describe = None,
            Chore::Images => self.images = None,
            Chore::Volumes => self.volumes = None,
            Chore::Ping => {}
        }
    }
}

impl<C: Containers> EngineWatch<C> {
    /// Until nobody listens any more.
    pub(crate) async fn run(mut self) {
        let mut health = Health::default();
        let mut attempt = 0;
        loop {
            match limited(self.containers.ping()).await {
                Ok(()) => {
                    attempt = 0;
                    self.answered(&mut health);
                    match self.attend(&mut health).await {
                        Ok(error) => tracing::warn!(%error, "the engine is lost"),
                        Err(NobodyListens) => return,
                    }
                    if self.events.send(EngineEvent::Lost).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    if attempt == 0 {
                        tracing::warn!("{error}");
                    }
                    self.failed(&mut health, &error);
                    self.introduce_without_engine();
                    let wait =
                        backoff::delay(REACH_FIRST, REACH_MOST, attempt, shell::clock::seed());
                    attempt += 1;
                    if self.wait(wait, &mut health).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Requests are for an engine that is there; listing comes by itself when it is.
    async fn wait(&mut self, wait: Duration, health: &mut Health) -> Result<(), NobodyListens> {
        let sleep = tokio::time::sleep(wait);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut sleep => return Ok(()),
                request = self.requests.recv() => match request.ok_or(NobodyListens)? {
                    EngineRequest::List | EngineRequest::ListLater => {}
                    EngineRequest::Hangs(detail) => self.hangs(health, detail),
                    EngineRequest::Answers => self.finished(health),
                },
            }
        }
    }

    /// Looks after the engine until it is lost.
    async fn attend(&mut self, health: &mut Health) -> Result<EngineError, NobodyListens> {
        let containers = Arc::clone(&self.containers);
        let (tell, mut news) = mpsc::channel(NEWS_MAX);
        let watching = containers.watch(self.owner, tell);
        tokio::pin!(watching);
        let mut agenda = Agenda::begin(Instant::now());
        let mut doing: Option<Pin<Box<dyn Future<Output = Done> + Send>>> = None;
        loop {
            let (due, chore) = agenda.next();
            // The order matters once: who watches before he lists misses nothing.
            tokio::select! {
                biased;
                error = &mut watching => return Ok(error),
                Some(news) = news.recv() => self.pass_on(news, &mut agenda).await?,
                request = self.requests.recv() => {
                    self.asked(request.ok_or(NobodyListens)?, &mut agenda, health);
                }
                done = async { doing.as_mut().expect("it is under way").await }, if doing.is_some() => {
                    doing = None;
                    self.done(done, &mut agenda, health).await?;
                }
                () = tokio::time::sleep_until(due), if doing.is_none() => {
                    agenda.begun(chore, Instant::now());
                    if chore == Chore::List {
                        self.tell(EngineEvent::ListingBegun).await?;
                    }
                    let leaving = self.leaving.borrow_and_update().clone();
                    let engine = Arc::clone(&containers);
                    doing = Some(Box::pin(carry_out(engine, self.owner, chore, leaving)));
                }
                Ok(()) = self.leaving.changed() => agenda.volumes = Some(Instant::now()),
            }
        }
    }

    async fn tell(&self, event: EngineEvent) -> Result<(), NobodyListens> {
        self.events.send(event).await.map_err(|_| NobodyListens)
    }

    async fn pass_on(&self, news: EngineNews, agenda: &mut Agenda) -> Result<(), NobodyListens> {
        match news {
            EngineNews::Container(event) => self.tell(EngineEvent::Container(event)).await,
            EngineNews::Images => {
                agenda.images.get_or_insert(Instant::now() + IMAGES_DEBOUNCE);
                Ok(())
            }
            EngineNews::Volumes => {
                agenda.volumes.get_or_insert(Instant::now() + IMAGES_DEBOUNCE);
                Ok(())
            }
        }
    }

    fn asked(&self, request: EngineRequest, agenda: &mut Agenda, health: &mut Health) {
        let now = Instant::now();
        match request {
            EngineRequest::List => agenda.list = now,
            EngineRequest::ListLater => agenda.list = agenda.list.min(now + LIST_LATER),
            EngineRequest::Hangs(detail) => self.hangs(health, detail),
            EngineRequest::Answers => self.finished(health),
        }
    }

    async fn done(
        &self,
        done: Done,
        agenda: &mut Agenda,
        health: &mut Health,
    ) -> Result<(), NobodyListens> {
        let now = Instant::now();
        agenda.ping = at_notch(now + PING_EVERY);
        let failed = match done {
            Done::Listed(Ok(seen)) => {
                self.tell(EngineEvent::Listed(seen)).await?;
                None
            }
            Done::Listed(Err(error)) => {
                agenda.list = agenda.list.min(now + LIST_RETRY);
                Some(error)
            }
            Done::Described(described) => {
                agenda.describe =
                    described.is_err().then_some(now + LIST_RETRY).or(agenda.describe);
                described.map(|it| self.introduce(|portrait| portrait.description = *it)).err()
            }
            Done::Images(images) => {
                agenda.images = images.is_err().then_some(now + LIST_RETRY).or(agenda.images);
                images.map(|it| self.introduce(|portrait| portrait.images = it)).err()
            }
            Done::Volumes(volumes) => {
                let leaving = self.leaving.borrow().clone();
                let retry = match &volumes {
                    Ok(names) => (!names.is_disjoint(&leaving)).then_some(now + REMOVE_RETRY),
                    Err(_) => Some(now + LIST_RETRY),
                };
                agenda.volumes = agenda.volumes.or(retry);
                volumes.map(|it| self.introduce(|portrait| portrait.volumes = Some(it))).err()
            }
            Done::Pinged(pinged) => pinged.err(),
        };
        match failed {
            None => self.answered(health),
            Some(error) => {
                agenda.ping = now + PING_RETRY;
                self.failed(health, &error);
            }
        }
        Ok(())
    }

    fn introduce(&self, change: impl FnOnce(&mut Portrait)) {
        self.portrait.send_if_modified(|portrait| {
            let before = portrait.clone();
            change(portrait.get_or_insert_with(bare_portrait));
            *portrait != before
        });
    }

    /// A node takes part also while its engine does not.
    fn introduce_without_engine(&self) {
        if self.portrait.borrow().is_none() {
            self.introduce(|_| {});
        }
    }

    fn answered(&self, health: &mut Health) {
        health.answered();
        self.publish(health);
    }

    fn failed(&self, health: &mut Health, error: &EngineError) {
        health.failed(error.to_string(), Instant::now());
        self.publish(health);
    }

    fn hangs(&self, health: &mut Health, detail: String) {
        health.hangs(detail);
        self.publish(health);
    }

    fn finished(&self, health: &mut Health) {
        health.finished();
        self.publish(health);
    }

    fn publish(&self, health: &Health) {
        self.health.send_if_modified(|published| {
            let is_new = published != health.state();
            published.clone_from(health.state());
            is_new
        });
    }
}

fn bare_portrait() -> Portrait {
    Portrait { description: host::description(), images: BTreeSet::new(), volumes: None }
}

async fn carry_out<C: Containers>(
    containers: Arc<C>,
    owner: Owner,
    chore: Chore,
    leaving: BTreeSet<String>,
) -> Done {
    match chore {
        Chore::List => Done::Listed(containers.list(owner).await),
        Chore::Describe => Done::Described(containers.describe().await.map(Box::new)),
        Chore::Images => Done::Images(containers.images().await),
        Chore::Volumes => Done::Volumes(volumes_left(&*containers, &leaving).await),
        Chore::Ping => Done::Pinged(limited(containers.ping()).await),
    }
}

/// What is there once what is to go is gone, as far as it can go.
async fn volumes_left<C: Containers>(
    containers: &C,
    leaving: &BTreeSet<String>,
) -> Result<BTreeSet<String>, EngineError> {
    let mut names = containers.volumes().await?;
    let going: Vec<String> = names.intersection(leaving).cloned().collect();
    for volume in going {
        match containers.remove_volume(&volume).await {
            Ok(()) => {
                names.remove(&volume);
            }
            Err(error) if error.may_pass() => return Err(error),
            Err(error) => tracing::warn!(%volume, %error, "a volume cannot be removed yet"),
        }
    }
    Ok(names)
}

async fn limited(ping: impl Future<Output = Result<(), EngineError>>) -> Result<(), EngineError> {
    tokio::time::timeout(PING_LIMIT, ping).await.unwrap_or_else(|_| {
        let seconds = PING_LIMIT.as_secs();
        Err(EngineError::Silent { detail: format!("no answer within {seconds} s") })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_during_a_chore_is_done_after_it() {
        let begin = Instant::now();
        let mut agenda = Agenda::begin(begin);
        for chore in [Chore::List, Chore::Describe, Chore::Images, Chore::Volumes] {
            assert_eq!(agenda.next(), (begin, chore));
            agenda.begun(chore, begin);
        }
        assert_eq!(agenda.next(), (begin + PING_EVERY, Chore::Ping));
        // As requests and news do, whatever is under way.
        agenda.list = begin;
        agenda.images = Some(begin + IMAGES_DEBOUNCE);
        assert_eq!(agenda.next(), (begin, Chore::List));
        agenda.begun(Chore::List, begin);
        assert_eq!(agenda.next(), (begin + IMAGES_DEBOUNCE, Chore::Images));
    }
}
