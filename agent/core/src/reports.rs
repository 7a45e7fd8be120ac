//! Which observations still have to reach a manager.

use common::TaskId;
use common::task::Observation;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskReport {
    pub task: TaskId,
    pub observation: Observation,
}

/// Reports that go out in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub number: u64,
    pub reports: Vec<TaskReport>,
}

/// Holds one report per task at most, until a manager has acknowledged it.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    waiting: BTreeMap<TaskId, Waiting>,
    last_number: u64,
}

#[derive(Debug, Clone)]
struct Waiting {
    observation: Observation,
    /// The message it went out with, where it did.
    sent: Option<u64>,
}

impl Outbox {
    /// The newest wins, but nothing follows an end.
    pub fn push(&mut self, report: TaskReport) {
        let TaskReport { task, observation } = report;
        let ended = self.waiting.get(&task).is_some_and(|it| it.observation.state.is_terminal());
        if !ended {
            self.waiting.insert(task, Waiting { observation, sent: None });
        }
    }

    /// Everything that has not gone out yet, as one message; none where there is nothing.
    pub fn next_batch(&mut self) -> Option<Batch> {
        let number = self.last_number + 1;
        let mut reports = Vec::new();
        for (task, waiting) in &mut self.waiting {
            if waiting.sent.is_none() {
                waiting.sent = Some(number);
                let observation = waiting.observation.clone();
                reports.push(TaskReport { task: *task, observation });
            }
        }
        if reports.is_empty() {
            return None;
        }
        self.last_number = number;
        Some(Batch { number, reports })
    }

    /// Of all messages up to this one: a manager answers the last of those that it keeps together.
    pub fn acknowledged(&mut self, number: u64) {
        self.waiting.retain(|_, it| it.sent.is_none_or(|sent| sent > number));
    }

    /// A manager that may know nothing is told all: what was never acknowledged, and where every
    /// task stands now.
    pub fn start_over(&mut self, standing: impl IntoIterator<Item = TaskReport>) {
        for waiting in self.waiting.values_mut() {
            waiting.sent = None;
        }
        for report in standing {
            self.push(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::task::TaskState;

    /// `push 1 Running`, `batch`, `ack 2`, `over 1 Running`; prints what goes out.
    fn check(script: &str, expected: &[&str]) {
        let mut outbox = Outbox::default();
        let mut sent = Vec::new();
        for line in script.lines().map(str::trim).filter(|it| !it.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["push", task, state] => outbox.push(report(task, state)),
                ["ack", number] => outbox.acknowledged(number.parse().unwrap()),
                ["over"] => outbox.start_over([]),
                ["over", task, state] => outbox.start_over([report(task, state)]),
                ["batch"] => sent.push(outbox.next_batch().map_or("-".to_owned(), |it| show(&it))),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sent, expected, "{script}");
    }

    fn report(task: &str, state: &str) -> TaskReport {
        let state = match state {
            "Accepted" => TaskState::Accepted,
            "Running" => TaskState::Running,
            "Failed" => TaskState::Failed,
            other => panic!("{other}"),
        };
        TaskReport { task: TaskId(task.parse().unwrap()), observation: Observation::of(state) }
    }

    fn show(batch: &Batch) -> String {
        let reports = batch.reports.iter();
        let reports = reports.map(|it| format!("{}={}", it.task.0, it.observation.state));
        format!("#{} {}", batch.number, reports.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn stories() {
        // One message for what is ready at the same moment, the newest of each task.
        check(
            "push 1 Accepted\npush 2 Accepted\npush 1 Running\nbatch\nbatch",
            &["#1 1=Running 2=Accepted", "-"],
        );
        // What is acknowledged is forgotten; what is not comes again with a new manager.
        check(
            "push 1 Running\nbatch\npush 2 Running\nbatch\nack 1\nover\nbatch\nack 3\nover\nbatch",
            &["#1 1=Running", "#2 2=Running", "#3 2=Running", "-"],
        );
        // An answer to the message before says nothing about what came after it.
        check(
            "push 1 Running\nbatch\npush 1 Failed\nack 1\nbatch\nover\nbatch",
            &["#1 1=Running", "#2 1=Failed", "#3 1=Failed"],
        );
        // Nothing follows an end, also where the task's standing is told anew.
        check("push 1 Failed\npush 1 Running\nover 1 Running\nbatch", &["#1 1=Failed"]);
        // A later answer stands for the earlier messages too, but not for what has not gone out.
        check(
            "push 1 Failed\nbatch\npush 2 Accepted\nbatch\npush 3 Accepted\nack 2\nover\nbatch",
            &["#1 1=Failed", "#2 2=Accepted", "#3 3=Accepted"],
        );
    }
}
