//! Which nodes have been silent for too long, as a function of what was heard and when.

use common::{NodeId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

pub const BEAT_PERIOD: Duration = Duration::from_millis(500);
/// The agent of the leader's own node lives and dies with it, and says at once when its engine
/// is ill: more would only wake a board that has nothing to do.
const OWN_BEAT_PERIOD: Duration = Duration::from_secs(5);
/// The leader wants to read no more beats a second than this.
const BEATS_PER_SECOND_MAX: usize = 2_000;
const DOWN_AFTER_LEAST: Duration = Duration::from_secs(2);
const DOWN_AFTER_PERIODS: u32 = 4;
/// How much of a node's worst lateness is granted to it again, in halves: of what was a moment
/// ago, and of what is remembered at all.
const FRESH_LATENESS_HALVES: u32 = 6;
const OLD_LATENESS_HALVES: u32 = 3;
const LATENESS_ALLOWANCE_MAX: Duration = Duration::from_secs(15);
/// Lateness is remembered in this many stretches of [`STRETCH`], and is fresh in the last two.
const STRETCHES: usize = 10;
const STRETCH: Duration = Duration::from_secs(60);
/// A new leader gives every node this long to find it.
const RECONNECT_GRACE: Duration = Duration::from_secs(5);
/// A program that said it would be back has this long.
const RESTART_GRACE: Duration = Duration::from_secs(30);
/// How long an engine may say nothing while its agent speaks.
const ENGINE_ILL_AFTER: Duration = Duration::from_secs(3);
/// A silent node is looked at once more after this long: a leader that was held up for a moment
/// has beats on its doorstep that it has not read yet.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(50);
/// The leader itself was late by more than this: what it did not hear says nothing of others.
const OWN_LATENESS_TOLERATED: Duration = Duration::from_millis(250);
/// Then everybody has at least this long to be heard again.
const AFTER_OWN_LATENESS: Duration = Duration::from_secs(1);

/// One leader's memory of the nodes' signs of life.
#[derive(Debug)]
pub struct Liveness {
    nodes: BTreeMap<NodeId, Watched>,
    /// The node of the leader itself.
    own: NodeId,
    last_look: Timestamp,
    expected_look: Timestamp,
}

#[derive(Debug)]
struct Watched {
    heard: Timestamp,
    /// Before a node's first beat to this leader, its silence proves little.
    connected: bool,
    down_after: Option<Duration>,
    lateness: [Duration; STRETCHES],
    stretch: u64,
    ill: Option<(Timestamp, String)>,
    restarting: bool,
    /// When its silence was seen for the first time.
    suspected: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Silent { for_at_least: Duration },
    EngineIll { detail: String },
}

/// How often each of so many nodes is to beat, so that the leader is not drowned by them.
fn period_of_many(nodes: usize) -> Duration {
    let needed = Duration::from_millis((nodes * 1_000 / BEATS_PER_SECOND_MAX) as u64);
    needed.max(BEAT_PERIOD)
}

/// Fast where it can be, calm on a board that swaps or hangs on Wi-Fi.
fn down_after(period: Duration, allowance: Duration) -> Duration {
    let allowance = allowance.min(LATENESS_ALLOWANCE_MAX);
    DOWN_AFTER_LEAST.max(period * DOWN_AFTER_PERIODS).max(period + allowance)
}

impl Watched {
    fn new(heard: Timestamp) -> Watched {
        Watched {
            heard,
            connected: false,
            down_after: None,
            lateness: [Duration::ZERO; STRETCHES],
            stretch: 0,
            ill: None,
            restarting: false,
            suspected: None,
        }
    }

    fn note_lateness(&mut self, late: Duration, now: Timestamp) {
        let stretch = now.0 / common::time::millis(STRETCH);
        let passed = stretch.saturating_sub(self.stretch).min(STRETCHES as u64);
        for step in 0..passed {
            self.lateness[((stretch - step) % STRETCHES as u64) as usize] = Duration::ZERO;
        }
        self.stretch = stretch;
        let slot = &mut self.lateness[(stretch % STRETCHES as u64) as usize];
        *slot = late.max(*slot);
    }

    fn allowance(&self) -> Duration {
        let of = |stretch: u64| self.lateness[(stretch % STRETCHES as u64) as usize];
        let fresh = of(self.stretch).max(of(self.stretch.wrapping_sub(1)));
        let old = self.lateness.iter().copied().max().unwrap_or_default();
        (fresh * FRESH_LATENESS_HALVES).max(old * OLD_LATENESS_HALVES) / 2
    }

    fn limit(&self, period: Duration) -> Duration {
        match (self.down_after, self.connected) {
            (_, _) if self.restarting => RESTART_GRACE,
            (Some(fixed), true) => fixed.max(period * 2),
            (Some(fixed), false) => fixed.max(RECONNECT_GRACE),
            (None, true) => down_after(period, self.allowance()),
            (None, false) => RECONNECT_GRACE,
        }
    }

    fn due(&self, period: Duration) -> Timestamp {
        let silent = match self.suspected {
            Some(at) => at + SECOND_LOOK_AFTER,
            None => self.heard + self.limit(period),
        };
        match &self.ill {
            Some((since, _)) => silent.min(*since + ENGINE_ILL_AFTER),
            None => silent,
        }
    }

    fn verdict(&mut self, period: Duration, now: Timestamp) -> Option<Verdict> {
        if self.heard + self.limit(period) <= now {
            let suspected = *self.suspected.get_or_insert(now);
            if suspected + SECOND_LOOK_AFTER <= now {
                return Some(Verdict::Silent { for_at_least: now.since(self.heard) });
            }
        } else {
            self.suspected = None;
        }
        match &self.ill {
            Some((since, detail)) if *since + ENGINE_ILL_AFTER <= now => {
                Some(Verdict::EngineIll { detail: detail.clone() })
            }
            Some(_) | None => None,
        }
    }
}

impl Liveness {
    pub fn new(own: NodeId, now: Timestamp) -> Liveness {
        Liveness { nodes: BTreeMap::new(), own, last_look: now, expected_look: now }
    }

    /// How often this node is to beat.
    pub fn beat_period(&self, node: NodeId) -> Duration {
        self.periods()(node)
    }

    fn periods(&self) -> impl Fn(NodeId) -> Duration + use<> {
        let (own, of_many) = (self.own, period_of_many(self.nodes.len()));
        move |node| if node == own { of_many.max(OWN_BEAT_PERIOD) } else { of_many }
    }

    /// Every clock starts with the leader that reads it.
    pub fn watch(&mut self, node: NodeId, down_after: Option<Duration>, now: Timestamp) {
        let watched = self.nodes.entry(node).or_insert_with(|| Watched::new(now));
        watched.down_after = down_after;
    }

    /// The silence of the former leader was witnessed by the new one itself.
    pub fn witnessed(&mut self, node: NodeId, last_heard: Timestamp) {
        if let Some(watched) = self.nodes.get_mut(&node) {
            (watched.heard, watched.connected) = (last_heard, true);
        }
    }

    /// It said that it would be back.
    pub fn restarts(&mut self, node: NodeId) {
        if let Some(watched) = self.nodes.get_mut(&node) {
            watched.restarting = true;
        }
    }

    pub fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.nodes.retain(|node, _| keep(*node));
    }

    /// It has a new connection. How long it was away says nothing of how late its beats are.
    pub fn connected(&mut self, node: NodeId, now: Timestamp) {
        if let Some(watched) = self.nodes.get_mut(&node) {
            (watched.heard, watched.connected, watched.restarting) = (now, true, false);
        }
    }

    pub fn heard(&mut self, node: NodeId, engine_ill: &str, now: Timestamp) {
        let period = self.beat_period(node);
        let Some(watched) = self.nodes.get_mut(&node) else { return };
        // How long a restart takes says nothing of the next beats.
        if watched.connected && !watched.restarting {
            watched.note_lateness(now.since(watched.heard).saturating_sub(period), now);
        }
        (watched.heard, watched.connected, watched.restarting) = (now, true, false);
        watched.ill = match (engine_ill.is_empty(), watched.ill.take()) {
            (true, _) => None,
            (false, Some((since, _))) => Some((since, engine_ill.to_owned())),
            (false, None) => Some((now, engine_ill.to_owned())),
        };
    }

    /// Nodes that are to be taken for down. Those that already are may be named again.
    ///
    /// A leader that was itself held up, by a full machine or a stopped process, has not heard
    /// what was said meanwhile: it adds the time it was late to everybody's.
    pub fn overdue(&mut self, now: Timestamp) -> Vec<(NodeId, Verdict)> {
        let late = now.since(self.expected_look);
        if late > OWN_LATENESS_TOLERATED {
            let shift = late + AFTER_OWN_LATENESS;
            for watched in self.nodes.values_mut() {
                watched.heard = (watched.heard + shift).min(now);
                if let Some((since, _)) = &mut watched.ill {
                    *since = (*since + shift).min(now);
                }
            }
        }
        self.last_look = now;
        let period = self.periods();
        let verdict =
            |(id, it): (&NodeId, &mut Watched)| Some((*id, it.verdict(period(*id), now)?));
        self.nodes.iter_mut().filter_map(verdict).collect()
    }

    /// When to look again. The caller promises to be there then, or to be late.
    pub fn look_at(&mut self, is_up: impl Fn(NodeId) -> bool) -> Option<Timestamp> {
        let period = self.periods();
        let next = self
            .nodes
            .iter()
            .filter(|(id, _)| is_up(**id))
            .map(|(id, it)| it.due(period(*id)))
            .min()
            .map(|it| it.max(self.last_look + Duration::from_millis(10)));
        self.expected_look = next.unwrap_or(Timestamp(u64::MAX));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(1);
    const LEADER: NodeId = NodeId(9);

    /// Plays beats at these milliseconds, looking exactly when asked to, and answers when the
    /// node was first taken for down.
    fn down_at(beats: &[u64], until: u64) -> Option<u64> {
        let mut liveness = Liveness::new(LEADER, Timestamp(0));
        liveness.watch(NODE, None, Timestamp(0));
        let mut beats = beats.iter().peekable();
        let mut now = Timestamp(0);
        while now.0 < until {
            let look = liveness.look_at(|_| true).map_or(until, |it| it.0);
            match beats.peek() {
                Some(beat) if **beat <= look => {
                    now = Timestamp(**beat);
                    beats.next();
                    liveness.heard(NODE, "", now);
                }
                Some(_) | None => {
                    now = Timestamp(look);
                    if !liveness.overdue(now).is_empty() {
                        return Some(now.0);
                    }
                }
            }
        }
        None
    }

    #[test]
    fn silence_is_noticed_after_two_seconds() {
        let beats: Vec<u64> = (1..20).map(|it| it * 500).collect();
        assert_eq!(down_at(&beats, 60_000), Some(9_500 + 2_050));
    }

    #[test]
    fn one_that_has_not_found_the_new_leader_has_more_time() {
        assert_eq!(down_at(&[], 60_000), Some(5_050));
    }

    #[test]
    fn a_node_that_was_late_of_late_is_granted_more() {
        let mut beats: Vec<u64> = (1..20).map(|it| it * 500).collect();
        // One pause of 1.9 s: 1.4 s late, so 500 + 3 × 1,400 ms from then on.
        beats.push(9_500 + 1_900);
        assert_eq!(down_at(&beats, 60_000), Some(11_400 + 4_750));
    }

    #[test]
    fn lateness_counts_half_after_two_minutes_and_is_forgotten_after_ten() {
        for (beats_since, expected) in [(120, 4_750), (300, 2_650), (1_300, 2_050)] {
            let mut beats: Vec<u64> = (1..20).map(|it| it * 500).collect();
            beats.extend((0..beats_since).map(|it| 11_400 + it * 500));
            let last = beats[beats.len() - 1];
            assert_eq!(down_at(&beats, 1_000_000), Some(last + expected), "{beats_since}");
        }
    }

    #[test]
    fn a_leader_that_was_late_itself_blames_nobody() {
        let mut liveness = Liveness::new(LEADER, Timestamp(0));
        liveness.watch(NODE, None, Timestamp(0));
        liveness.heard(NODE, "", Timestamp(500));
        let look = liveness.look_at(|_| true).expect("one node is watched");
        assert_eq!(look, Timestamp(2_500));
        assert_eq!(liveness.overdue(Timestamp(9_000)), vec![]);
        assert_eq!(looks_until_down(&mut liveness), 2);
    }

    #[test]
    fn beats_that_wait_to_be_read_are_read_before_the_verdict() {
        let mut liveness = Liveness::new(LEADER, Timestamp(0));
        liveness.watch(NODE, None, Timestamp(0));
        liveness.heard(NODE, "", Timestamp(500));
        let look = liveness.look_at(|_| true).expect("one node is watched");
        // Held up since its last look, but not for so long that it must blame itself.
        let late = look + Duration::from_millis(200);
        assert_eq!(liveness.overdue(late), vec![]);
        liveness.heard(NODE, "", late);
        let look = liveness.look_at(|_| true).expect("one node is watched");
        assert_eq!(liveness.overdue(look), vec![]);
        assert_eq!(looks_until_down(&mut liveness), 2);
    }

    fn looks_until_down(liveness: &mut Liveness) -> usize {
        let mut look = || {
            let at = liveness.look_at(|_| true).expect("one node is watched");
            liveness.overdue(at).is_empty()
        };
        (1..10).find(|_| !look()).expect("silence is noticed")
    }

    #[test]
    fn a_power_cut_is_no_lateness() {
        let mut liveness = Liveness::new(LEADER, Timestamp(0));
        liveness.watch(NODE, None, Timestamp(0));
        liveness.heard(NODE, "", Timestamp(500));
        liveness.connected(NODE, Timestamp(9_000));
        liveness.heard(NODE, "", Timestamp(9_500));
        assert_eq!(liveness.look_at(|_| true), Some(Timestamp(11_500)));
    }

    #[test]
    fn one_that_said_it_would_be_back_is_waited_for() {
        let mut liveness = Liveness::new(LEADER, Timestamp(0));
        liveness.watch(NODE, None, Timestamp(0));
        liveness.heard(NODE, "", Timestamp(500));
        liveness.restarts(NODE);
        assert_eq!(liveness.look_at(|_| true), Some(Timestamp(30_500)));
        liveness.heard(NODE, "", Timestamp(9_000));
        assert_eq!(liveness.look_at(|_| true), Some(Timestamp(11_000)));
    }

    #[test]
    fn an_ill_engine_counts_as_an_ill_node() {
        let mut liveness = Liveness::new(LEADER, Timestamp(0));
        liveness.watch(NODE, None, Timestamp(0));
        for beat in 1..=8 {
            liveness.heard(NODE, "no answer for 4 s", Timestamp(beat * 500));
        }
        let look = liveness.look_at(|_| true).expect("one node is watched");
        assert!(matches!(liveness.overdue(look).as_slice(), [(NODE, Verdict::EngineIll { .. })]));
        liveness.heard(NODE, "", Timestamp(4_100));
        liveness.look_at(|_| true);
        assert_eq!(liveness.overdue(Timestamp(4_200)), vec![]);
    }
}
