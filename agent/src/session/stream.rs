//! One stream to one leader, from the hello to its end.

use super::{ASSIGNMENTS_BYTES_MAX, Goodbye, Refusal, Session, SessionEvent};
use crate::agent::GoodbyeReason;
use crate::engine::Portrait;
use agent_core::lease::BootTime;
use agent_core::reports::{Batch, TaskReport};
use common::IdGen;
use common::file::FileSet;
use common::node::Role;
use proto::convert::{Malformed, read_assignments};
use proto::v1;
use proto::v1::dispatcher_client::DispatcherClient;
use proto::v1::{agent_message, manager_message};
use shell::threads::at_notch;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Where a manager that does not lead names the one that does.
const LEADER: &str = "skep-leader";
const QUEUE_MAX: usize = 16;
/// Beats find room also where many statuses wait.
const ROOM_FOR_BEATS: usize = 4;
const BEAT_PERIOD_FIRST: Duration = Duration::from_millis(500);
const SILENCE_LEAST: Duration = Duration::from_millis(1_500);
const BEATS_REMEMBERED: usize = 16;
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);

/// How a session ended.
#[derive(Debug)]
pub(super) enum Ended {
    Refused(Refusal),
    Farewell,
    Goodbye,
    /// The agent's loop is gone.
    NobodyListens,
}

impl Ended {
    fn failed(reason: impl Into<String>) -> Ended {
        Ended::Refused(Refusal::Failed(reason.into()))
    }
}

#[derive(Debug)]
pub(super) struct Stream {
    manager: String,
    to_manager: mpsc::Sender<v1::AgentMessage>,
    incoming: Streaming<v1::ManagerMessage>,
}

impl Stream {
    pub(super) async fn open(
        manager: &str,
        channel: Channel,
        hello: v1::Hello,
    ) -> Result<Stream, Refusal> {
        let (to_manager, queue) = mpsc::channel(QUEUE_MAX);
        // The manager answers the call only once it has read the hello.
        let hello = to_manager.send(message(agent_message::Of::Hello(hello))).await;
        hello.expect("the queue's other end is held below");
        let mut client =
            DispatcherClient::new(channel).max_decoding_message_size(ASSIGNMENTS_BYTES_MAX);
        let answer = client.session(ReceiverStream::new(queue)).await.map_err(refusal)?;
        Ok(Stream { manager: manager.to_owned(), to_manager, incoming: answer.into_inner() })
    }

    pub(super) fn address(&self) -> &str {
        &self.manager
    }

    fn has_room(&self) -> bool {
        self.to_manager.capacity() > ROOM_FOR_BEATS
    }

    /// What finds no room is lost; whoever sends it says it again or notices the silence.
    fn say(&self, of: agent_message::Of) -> bool {
        let said = self.to_manager.try_send(message(of));
        if let Err(error) = &said {
            tracing::debug!(%error, "a message to the leader is lost");
        }
        said.is_ok()
    }

    /// The manager ends its side when it has kept all of ours.
    async fn finish(mut self, goodbye: v1::Goodbye) {
        let said = async {
            let goodbye = message(agent_message::Of::Goodbye(goodbye));
            if self.to_manager.send(goodbye).await.is_err() {
                return;
            }
            drop(self.to_manager);
            while let Ok(Some(_)) = self.incoming.message().await {}
        };
        // Whoever waits for it has a limit of his own.
        drop(tokio::time::timeout(GOODBYE_LIMIT, said).await);
    }
}

/// When to say that we are here, and for how long there was no answer to it.
#[derive(Debug)]
struct Pulse {
    number: u64,
    period: Duration,
    next: Instant,
    last_answer: Instant,
    /// The last beats that were sent, and when.
    sent: VecDeque<(u64, BootTime)>,
}

impl Pulse {
    fn begin(now: Instant) -> Pulse {
        let (period, sent) = (BEAT_PERIOD_FIRST, VecDeque::new());
        Pulse { number: 0, period, next: now, last_answer: now, sent }
    }

    fn send(&mut self) -> u64 {
        self.number += 1;
        self.sent.push_back((self.number, crate::fence::now()));
        if self.sent.len() > BEATS_REMEMBERED {
            self.sent.pop_front();
        }
        self.number
    }

    /// When that beat was sent, if it is not too long ago.
    fn answered(&mut self, number: u64, now: Instant) -> Option<BootTime> {
        self.last_answer = now;
        self.sent.retain(|(it, _)| *it >= number);
        self.sent.front().filter(|(it, _)| *it == number).map(|(_, at)| *at)
    }

    fn is_silent(&self, now: Instant) -> bool {
        now - self.last_answer > SILENCE_LEAST.max(self.period * 3)
    }

    /// A tenth more or less, so that a crowd does not beat as one.
    fn advance(&mut self, now: Instant, dice: &mut IdGen) {
        let percent = 90 + u32::try_from(dice.below(21)).unwrap_or(0);
        self.next = at_notch(now + self.period * percent / 100);
    }
}

impl Session {
    pub(super) async fn converse(
        &mut self,
        mut stream: Stream,
        goodbyes: &mut mpsc::Receiver<Goodbye>,
    ) -> Ended {
        // What was on its way to the leader before is asked for anew.
        while self.statuses.try_recv().is_ok() {}
        if self.events.send(SessionEvent::Opened).await.is_err() {
            return Ended::NobodyListens;
        }
        let mut pulse = Pulse::begin(Instant::now());
        loop {
            tokio::select! {
                heard = stream.incoming.message() => {
                    if let Some(ended) = self.heard(heard, &mut pulse, stream.address()).await {
                        return ended;
                    }
                }
                batch = self.statuses.recv(), if stream.has_room() => match batch {
                    Some(batch) => {
                        stream.say(statuses(batch));
                    }
                    None => return Ended::NobodyListens,
                },
                () = tokio::time::sleep_until(pulse.next) => {
                    let now = Instant::now();
                    if pulse.is_silent(now) {
                        return Ended::failed("no answer to our beats");
                    }
                    self.beat(&stream, &mut pulse);
                    pulse.advance(now, &mut self.dice);
                    self.tell_changes(&stream);
                }
                changed = self.portrait.changed() => {
                    if changed.is_err() {
                        return Ended::NobodyListens;
                    }
                    self.tell_changes(&stream);
                }
                changed = self.health.changed() => {
                    if changed.is_err() {
                        return Ended::NobodyListens;
                    }
                    self.beat(&stream, &mut pulse);
                }
                goodbye = goodbyes.recv() => {
                    let Some(goodbye) = goodbye else { return Ended::NobodyListens };
                    stream.finish(v1::Goodbye { reason: reason(goodbye.reason).into() }).await;
                    drop(goodbye.said);
                    return Ended::Goodbye;
                }
            }
        }
    }

    /// What the leader has not been told of this node; where its queue is full, again later.
    fn tell_changes(&mut self, stream: &Stream) {
        let portrait = self.portrait.borrow();
        let told = self.told.as_ref();
        let Some(now) = portrait.as_ref().filter(|it| told != Some(*it)) else { return };
        let knows =
            |same: fn(&Portrait, &Portrait) -> bool| told.is_some_and(|before| same(before, now));
        let is_described = knows(|a, b| a.description == b.description)
            || stream.say(agent_message::Of::Description((&now.description).into()));
        let has_images = knows(|a, b| a.images == b.images)
            || stream.say(agent_message::Of::Images(images(now)));
        let has_volumes = knows(|a, b| a.volumes == b.volumes)
            || volumes(now).is_none_or(|it| stream.say(agent_message::Of::Volumes(it)));
        if is_described && has_images && has_volumes {
            self.told = Some(now.clone());
        }
    }

    fn beat(&mut self, stream: &Stream, pulse: &mut Pulse) {
        let number = pulse.send();
        let engine_ill = self.health.borrow_and_update().to_string();
        stream.say(agent_message::Of::Beat(v1::Beat {
            number,
            wall_millis: shell::clock::wall().0,
            engine_ill,
        }));
    }

    async fn heard(
        &mut self,
        heard: Result<Option<v1::ManagerMessage>, Status>,
        pulse: &mut Pulse,
        manager: &str,
    ) -> Option<Ended> {
        let message = match heard {
            Ok(Some(message)) => message,
            Ok(None) => return Some(Ended::failed("it ended the session")),
            Err(status) => return Some(Ended::Refused(refusal(status))),
        };
        let event = match self.read(message, pulse, manager) {
            Ok(event) => event?,
            Err(malformed) => {
                return Some(Ended::failed(format!("it makes no sense: {malformed}")));
            }
        };
        let is_farewell = matches!(event, SessionEvent::Farewell);
        if self.events.send(event).await.is_err() {
            return Some(Ended::NobodyListens);
        }
        is_farewell.then_some(Ended::Farewell)
    }

    fn read(
        &mut self,
        message: v1::ManagerMessage,
        pulse: &mut Pulse,
        manager: &str,
    ) -> Result<Option<SessionEvent>, Malformed> {
        use manager_message::Of;
        Ok(match message.of {
            Some(Of::Welcome(welcome)) => {
                pulse.period = Duration::from_millis(welcome.beat_period_millis.max(1));
                self.membership.node_name = welcome.node_name;
                Some(match welcome.membership {
                    Some(membership) => self.read_membership(membership)?,
                    None => SessionEvent::Membership(self.membership.clone()),
                })
            }
            Some(Of::Membership(membership)) => Some(self.read_membership(membership)?),
            Some(Of::Beat(v1::BeatAnswer { number, lease })) => {
                let sent = pulse.answered(number, Instant::now());
                sent.filter(|_| lease).map(SessionEvent::Lease)
            }
            Some(Of::Assignments(assignments)) => {
                Some(SessionEvent::Assignments(read_assignments(assignments, self.node)?))
            }
            Some(Of::Files(files)) => Some(SessionEvent::Files(FileSet::try_from(files)?)),
            Some(Of::VolumesLeaving(volumes)) => {
                Some(SessionEvent::VolumesLeaving(volumes.names.into_iter().collect()))
            }
            Some(Of::StatusesKept(number)) => Some(SessionEvent::Kept(number)),
            Some(Of::Logs(request)) => {
                Some(SessionEvent::Logs { manager: manager.to_owned(), request })
            }
            Some(Of::LogsCancel(subscription)) => Some(SessionEvent::LogsCancel(subscription)),
            Some(Of::Farewell(v1::Empty {})) => Some(SessionEvent::Farewell),
            // A newer manager says something that this agent does not know.
            None => None,
        })
    }

    fn read_membership(&mut self, wire: v1::Membership) -> Result<SessionEvent, Malformed> {
        self.membership.role = Role::try_from(wire.role())?;
        // Whoever names none leaves us the way to those that we know.
        if !wire.managers.is_empty() {
            self.membership.managers = wire.managers;
        }
        self.route.learned(&self.membership.managers);
        Ok(SessionEvent::Membership(self.membership.clone()))
    }
}

fn message(of: agent_message::Of) -> v1::AgentMessage {
    v1::AgentMessage { of: Some(of) }
}

fn refusal(status: Status) -> Refusal {
    let leader = status.metadata().get(LEADER).and_then(|it| it.to_str().ok());
    match leader {
        Some(leader) => Refusal::Leader(leader.to_owned()),
        None => Refusal::Failed(format!("{}: {}", status.code(), status.message())),
    }
}

fn statuses(batch: Batch) -> agent_message::Of {
    let report = |it: &TaskReport| v1::TaskReport {
        task: it.task.0,
        observed: Some(v1::Observation::from(&it.observation)),
    };
    let reports = batch.reports.iter().map(report).collect();
    agent_message::Of::Statuses(v1::Statuses { number: batch.number, reports })
}

pub(super) fn images(portrait: &Portrait) -> v1::Images {
    v1::Images { references: portrait.images.iter().cloned().collect() }
}

pub(super) fn volumes(portrait: &Portrait) -> Option<v1::Volumes> {
    let names = portrait.volumes.as_ref()?;
    Some(v1::Volumes { names: names.iter().cloned().collect() })
}

fn reason(reason: GoodbyeReason) -> v1::goodbye::Reason {
    match reason {
        GoodbyeReason::ShutDown => v1::goodbye::Reason::ShutDown,
        GoodbyeReason::Leave => v1::goodbye::Reason::Leave,
        GoodbyeReason::Restart => v1::goodbye::Reason::Restart,
    }
}
