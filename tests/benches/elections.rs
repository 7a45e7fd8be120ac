//! How long a cluster of three managers goes without a leader, and without an accepted write, once
//! its leader is lost. The two that are left have equal logs and equal luck.
//!
//! `cargo bench --profile fast -p integration --bench elections` loses 20 leaders, and as many as
//! `SKEP_ELECTIONS` says where that is set. Half of them are killed, half of them hang.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use common::IdGen;
use integration::inprocess::{Client, Cluster};
use integration::torture::number;
use tokio::time::Instant;

const ELECTIONS: u64 = 20;
const MANAGERS: u8 = 3;
/// The loss comes at any moment between two beats.
const BEAT_MILLIS: u64 = 400;
const LOOK_PERIOD: Duration = Duration::from_millis(2);
/// No single time-out lasts longer: whoever takes longer has tried more than once.
const ONE_ROUND: Duration = Duration::from_millis(2_000);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    Killed,
    Hangs,
}

/// What one loss cost.
struct Sample {
    leader: Duration,
    write: Duration,
    terms: u64,
    refused: Vec<String>,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(measure(number("SKEP_ELECTIONS", ELECTIONS)));
}

async fn measure(count: u64) {
    let mut cluster = Cluster::formed(MANAGERS, 0).await;
    let mut chance = IdGen::from_seed(shell::clock::seed());
    let mut samples: BTreeMap<Loss, Vec<Sample>> = BTreeMap::new();
    for number in 0..count {
        let loss = if number % 2 == 0 { Loss::Killed } else { Loss::Hangs };
        tokio::time::sleep(Duration::from_millis(chance.below(BEAT_MILLIS))).await;
        let sample = lose(&mut cluster, loss, number).await;
        samples.entry(loss).or_default().push(sample);
    }
    for (loss, samples) in &samples {
        eprintln!("{}", report(*loss, samples));
    }
}

async fn lose(cluster: &mut Cluster, loss: Loss, number: u64) -> Sample {
    let lost = cluster.wait_leader().await;
    let (_, term) = cluster.leader_in_term().expect("it leads");
    let witness = (lost + 1 + usize::from(number % 4 < 2)) % usize::from(MANAGERS);
    let begun = Instant::now();
    match loss {
        Loss::Killed => cluster.node(lost).kill(),
        Loss::Hangs => cluster.node(lost).hang(),
    }
    let client = cluster.client(witness);
    let (refused, (leader, next)) =
        tokio::join!(write(&client, number, begun), next_leader(cluster, begun));
    match loss {
        Loss::Killed => cluster.start(lost).await,
        Loss::Hangs => cluster.node(lost).go_on(),
    }
    cluster.wait_whole().await;
    let (refused, write) = refused;
    Sample { leader, write, terms: next - term, refused }
}

/// Until a write is accepted, as somebody who tries again at once.
async fn write(client: &Client, number: u64, begun: Instant) -> (Vec<String>, Duration) {
    let mut refused = Vec::new();
    loop {
        match client.put_label("n1", "election", &number.to_string()).await {
            Ok(()) => return (refused, begun.elapsed()),
            Err(status) => {
                refused.push(format!("{:.2?}: {}", begun.elapsed(), status.message()));
                tokio::time::sleep(LOOK_PERIOD).await;
            }
        }
    }
}

async fn next_leader(cluster: &Cluster, begun: Instant) -> (Duration, u64) {
    loop {
        if let Some((_, term)) = cluster.leader_in_term() {
            return (begun.elapsed(), term);
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

fn report(loss: Loss, samples: &[Sample]) -> String {
    let mut text = format!("{loss:?}, {} times", samples.len());
    let leaders: Vec<Duration> = samples.iter().map(|it| it.leader).collect();
    let writes = samples.iter().map(|it| it.write).collect();
    for (what, mut sorted) in [("a leader", leaders), ("a write", writes)] {
        sorted.sort();
        let at = |share: usize| sorted[(sorted.len() - 1) * share / 100];
        let longest: Vec<_> = sorted.iter().rev().take(5).collect();
        let (median, most) = (at(50), at(90));
        write_line(&mut text, &format!("{what}: median {median:.2?}, 90 % {most:.2?}"));
        write_line(&mut text, &format!("    longest {longest:.2?}"));
    }
    let mut terms = BTreeMap::<u64, usize>::new();
    samples.iter().for_each(|it| *terms.entry(it.terms).or_default() += 1);
    let late = samples.iter().filter(|it| it.leader > ONE_ROUND).count();
    write_line(&mut text, &format!("terms that it took: {terms:?}; {late} in several rounds"));
    for refusal in samples.iter().flat_map(|it| &it.refused) {
        write_line(&mut text, &format!("refused after {refusal}"));
    }
    text
}

fn write_line(text: &mut String, line: &str) {
    write!(text, "\n    {line}").expect("a string takes all that is written to it");
}
