//! A stream of writes through random managers: services are created, scaled and removed, and
//! labels are put on nodes. Each answer is noted down.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use common::IdGen;

use super::client::{Client, Unanswered};
use super::ledger::{Kind, Ledger, REMOVED};

const REPLICAS_MAX: u32 = 5;
/// Services of one writer that are there at once.
const SERVICES_AT_ONCE: u64 = 4;
/// One write of so many goes to a label.
const LABEL_SHARE: u64 = 8;

#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub writers: usize,
    pub pause: Duration,
}

#[derive(Debug)]
pub struct Writers {
    stops: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    reasons: Reasons,
}

/// Why writes were not acknowledged, and how often.
type Reasons = Arc<Mutex<BTreeMap<String, u64>>>;

impl Writers {
    /// Names are made by counting, so a ledger serves one lot of writers only.
    pub fn start(sockets: &[PathBuf], ledger: &Arc<Ledger>, pace: Pace, seed: u64) -> Writers {
        let stops = Arc::new(AtomicBool::new(false));
        let reasons = Reasons::default();
        let mut chance = IdGen::from_seed(seed);
        let threads = (1..=pace.writers).map(|number| {
            let writer = Writer {
                number,
                clients: sockets.iter().map(|it| Client::of(it)).collect(),
                ledger: Arc::clone(ledger),
                reasons: Arc::clone(&reasons),
                chance: IdGen::from_seed(chance.next_u64()),
                services: vec![String::new(); SERVICES_AT_ONCE as usize],
                label: String::new(),
                made: 0,
            };
            let stops = Arc::clone(&stops);
            std::thread::spawn(move || writer.run(pace.pause, &stops))
        });
        let threads = threads.collect();
        Writers { stops, threads, reasons }
    }

    /// Waits until each has had its last answer. Tells why writes were not acknowledged.
    pub fn stop(mut self) -> BTreeMap<String, u64> {
        self.stops.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.join().expect("a writer does not panic");
        }
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
    }
}

struct Writer {
    number: usize,
    clients: Vec<Client>,
    ledger: Arc<Ledger>,
    reasons: Reasons,
    chance: IdGen,
    /// Empty where the next one is to be made.
    services: Vec<String>,
    label: String,
    made: u64,
}

impl Writer {
    fn run(mut self, pause: Duration, stops: &AtomicBool) {
        while !stops.load(Ordering::Acquire) {
            if self.chance.below(LABEL_SHARE) == 0 {
                self.put_label();
            } else {
                let position = self.chance.below(SERVICES_AT_ONCE) as usize;
                self.write_service(position);
            }
            std::thread::sleep(pause);
        }
    }

    fn write_service(&mut self, position: usize) {
        if self.services[position].is_empty() {
            self.services[position] = self.new_name("s");
        }
        let name = self.services[position].clone();
        let promise = self.ledger.promise(Kind::Service, &name);
        // A write in doubt may still be done later, and then lower what a later one has raised.
        // But whatever comes after the removal finds nothing any more.
        let is_in_doubt = promise.attempted != promise.acknowledged;
        let stage = match promise.acknowledged {
            _ if is_in_doubt => REMOVED,
            0 => 1,
            REPLICAS_MAX => REMOVED,
            replicas => replicas + 1,
        };
        let was_removing = promise.attempted == REMOVED;
        self.ledger.attempt(Kind::Service, &name, stage);
        let client = self.client();
        let answer = match stage {
            REMOVED => client.remove(&name),
            1 => client.create(&name),
            replicas => client.scale(&name, replicas),
        };
        let is_gone = match answer {
            Ok(()) => {
                self.ledger.acknowledge(Kind::Service, &name, stage);
                stage == REMOVED
            }
            Err(Unanswered::NotFound(text)) => {
                let may_be_missing = was_removing || promise.acknowledged == 0;
                assert!(may_be_missing && stage == REMOVED, "{name} was lost: {text}");
                self.note(&text);
                true
            }
            Err(Unanswered::Other(text)) => {
                self.note(&text);
                false
            }
        };
        if is_gone {
            self.services[position].clear();
        }
    }

    /// A label whose last value is in doubt is left as it is, and another begun.
    fn put_label(&mut self) {
        let promise = self.ledger.promise(Kind::Label, &self.label);
        if self.label.is_empty() || promise.attempted != promise.acknowledged {
            self.label = self.new_name("l");
        }
        let name = self.label.clone();
        let stage = self.ledger.promise(Kind::Label, &name).acknowledged + 1;
        self.ledger.attempt(Kind::Label, &name, stage);
        match self.client().put_label(super::loopback::LABELLED, &name, stage) {
            Ok(()) => self.ledger.acknowledge(Kind::Label, &name, stage),
            Err(Unanswered::NotFound(text) | Unanswered::Other(text)) => self.note(&text),
        }
    }

    fn client(&mut self) -> &Client {
        let position = self.chance.below(self.clients.len() as u64) as usize;
        &self.clients[position]
    }

    fn new_name(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{}-{}", self.number, self.made)
    }

    /// Reasons are counted by how they begin; then come names and folders.
    fn note(&self, reason: &str) {
        self.ledger.doubt();
        let begin = reason.split([':', '(']).next().unwrap_or_default().trim_end();
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        *reasons.entry(begin.to_owned()).or_default() += 1;
    }
}
