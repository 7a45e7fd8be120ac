//! Nodes on bad links and busy boards: how often each would have been taken for down, beside a
//! limit of two seconds that learns nothing.
//!
//! The traces are made, not recorded: what is known of sleeping radios, roaming, memory cards
//! and TCP, drawn under a seed.

use common::{IdGen, NodeId, Timestamp};
use expect_test::expect;
use manager_core::liveness::Liveness;
use std::collections::BTreeMap;
use std::fmt::Write;

const HOUR: u64 = 3_600_000;
const LEADER: NodeId = NodeId(100);
const NODES: u64 = 5;
/// TCP says again what was not acknowledged, this long after it was said first.
const SAID_AGAIN_AFTER: u64 = 200;

/// How long it waits the next times.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// As long: what connections of skep ask for.
    Even,
    /// Twice as long each time: what TCP does unless asked.
    Doubling,
}

impl Pace {
    /// When something that is lost for so long gets through.
    fn after(self, lost_for: u64) -> u64 {
        let said = |tries: u64| match self {
            Pace::Even => tries * SAID_AGAIN_AFTER,
            Pace::Doubling => ((1 << tries) - 1) * SAID_AGAIN_AFTER,
        };
        (1..40).map(said).find(|it| *it >= lost_for).unwrap_or(lost_for)
    }
}

/// While one lasts, no beat of the node arrives; those that were sent meanwhile come after it.
#[derive(Debug, Clone, Copy)]
struct Pause {
    begin: u64,
    length: u64,
}

/// What makes beats late, and how often.
#[derive(Debug, Clone, Copy)]
struct Weather {
    name: &'static str,
    /// A radio that sleeps between two beacons of its access point.
    jitter: u64,
    /// One pause in so long, on the average.
    every: u64,
    shortest: u64,
    longest: u64,
}

const CABLE: Weather =
    Weather { name: "cable", jitter: 5, every: HOUR * 1_000, shortest: 0, longest: 1 };
const SWAP: Weather =
    Weather { name: "swapping board", jitter: 50, every: 10_000, shortest: 500, longest: 4_000 };
const WEATHERS: [Weather; 6] = [
    CABLE,
    Weather { name: "sleepy Wi-Fi", jitter: 300, ..CABLE },
    Weather { name: "roaming Wi-Fi", jitter: 100, every: 60_000, shortest: 200, longest: 1_200 },
    Weather { name: "bad Wi-Fi", jitter: 300, every: 20_000, shortest: 200, longest: 3_000 },
    Weather { name: "slow card", jitter: 5, every: 30_000, shortest: 100, longest: 2_500 },
    SWAP,
];

fn pauses(weather: Weather, dice: &mut IdGen) -> Vec<Pause> {
    let mut pauses = Vec::new();
    let mut begin = dice.below(weather.every * 2);
    while begin < HOUR {
        // The square makes short ones common and long ones rare.
        let share = dice.below(1_000) * dice.below(1_000);
        let length = weather.shortest + (weather.longest - weather.shortest) * share / 1_000_000;
        pauses.push(Pause { begin, length });
        begin += length + dice.below(weather.every * 2);
    }
    pauses
}

/// When each beat arrives.
fn arrivals(weather: Weather, pace: Pace, pauses: &[Pause], dice: &mut IdGen) -> Vec<u64> {
    let mut arrivals = Vec::new();
    let (mut sent, mut last) = (0, 0);
    while sent < HOUR {
        let on_the_way = sent + 1 + dice.below(weather.jitter + 1);
        let held = pauses.iter().find(|it| (it.begin..it.begin + it.length).contains(&on_the_way));
        let arrived = match held {
            Some(pause) => on_the_way + pace.after(pause.begin + pause.length - on_the_way),
            None => on_the_way,
        };
        // Nothing overtakes on one connection.
        last = arrived.max(last);
        arrivals.push(last);
        sent += 450 + dice.below(101);
    }
    arrivals
}

/// What a leader does with beats, held up itself during `stalls`. Answers how often it would
/// have moved a node's tasks.
fn moves(beats: &BTreeMap<NodeId, Vec<u64>>, stalls: &[Pause]) -> usize {
    let mut liveness = Liveness::new(LEADER, Timestamp(0));
    let mut inbox: Vec<(u64, NodeId)> = Vec::new();
    for (node, arrivals) in beats {
        liveness.watch(*node, None, Timestamp(0));
        liveness.connected(*node, Timestamp(0));
        inbox.extend(arrivals.iter().map(|at| (*at, *node)));
    }
    inbox.sort();
    let awake = |at: u64| {
        let held = stalls.iter().find(|it| (it.begin..it.begin + it.length).contains(&at));
        held.map_or(at, |it| it.begin + it.length)
    };
    let mut inbox = inbox.into_iter().peekable();
    let mut down: BTreeMap<NodeId, bool> = BTreeMap::new();
    let (mut moves, mut now) = (0, 0);
    while let Some((arrived, _)) = inbox.peek() {
        let look = liveness.look_at(|node| !down.get(&node).copied().unwrap_or(false));
        let next = look.map_or(u64::MAX, |it| it.0).min(*arrived);
        now = awake(next.max(now));
        // At worst, what came while the leader was held up is still to be read.
        let is_time_to_look = look.is_some_and(|it| it.0 < *arrived);
        if !is_time_to_look {
            while let Some((_, node)) = inbox.next_if(|(at, _)| *at <= now) {
                liveness.heard(node, "", Timestamp(now));
                down.insert(node, false);
            }
        }
        for (node, _) in liveness.overdue(Timestamp(now)) {
            let was_down = down.insert(node, true).unwrap_or(false);
            moves += usize::from(!was_down);
        }
    }
    moves
}

/// Between one beat and the next.
fn silences(beats: &BTreeMap<NodeId, Vec<u64>>) -> impl Iterator<Item = u64> {
    beats.values().flat_map(|it| it.windows(2).map(|pair| pair[1] - pair[0]))
}

/// Hours that are played of each weather.
const HOURS: u64 = 20;

fn an_hour_of(weather: Weather, pace: Pace, dice: &mut IdGen) -> BTreeMap<NodeId, Vec<u64>> {
    let mut beats = BTreeMap::new();
    for node in (1..=NODES).map(NodeId) {
        let pauses = pauses(weather, dice);
        beats.insert(node, arrivals(weather, pace, &pauses, dice));
    }
    beats
}

#[test]
fn nodes_on_bad_links_and_busy_boards() {
    let mut table = String::from(
        "moves in 100 hours     skep   with TCP's pauses   fixed 2 s   longest silence\n",
    );
    for weather in WEATHERS {
        let by_skep = |pace| {
            let mut dice = IdGen::from_seed(7);
            (0..HOURS).map(|_| moves(&an_hour_of(weather, pace, &mut dice), &[])).sum::<usize>()
        };
        let (even, doubling) = (by_skep(Pace::Even), by_skep(Pace::Doubling));
        let mut dice = IdGen::from_seed(7);
        let hours = (0..HOURS).map(|_| an_hour_of(weather, Pace::Even, &mut dice));
        let (mut fixed, mut longest) = (0, 0);
        for beats in hours {
            fixed += silences(&beats).filter(|it| *it > 2_000).count();
            longest = silences(&beats).fold(longest, u64::max);
        }
        let name = weather.name;
        writeln!(table, "{name:<18} {even:>8} {doubling:>19} {fixed:>11} {longest:>14} ms")
            .expect("a string takes everything");
    }
    expect![[r#"
        moves in 100 hours     skep   with TCP's pauses   fixed 2 s   longest silence
        cable                     0                   0           0            555 ms
        sleepy Wi-Fi              0                   0           0            848 ms
        roaming Wi-Fi             0                   0           0           1763 ms
        bad Wi-Fi                41                  55        2556           3721 ms
        slow card                42                 138         844           2941 ms
        swapping board           54                  84        9579           4506 ms
    "#]]
    .assert_eq(&table);
}

/// The leader's own board swaps: it is held up every ten seconds, for up to four.
#[test]
fn a_leader_that_is_held_up_itself_moves_nothing() {
    let mut dice = IdGen::from_seed(11);
    for _ in 0..HOURS {
        let stalls = pauses(SWAP, &mut dice);
        assert_eq!(moves(&an_hour_of(CABLE, Pace::Even, &mut dice), &stalls), 0);
    }
}
