//! Which manager to turn to next. Pure.

/// Follows the hints of managers that do not lead, and goes round where there are none.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    managers: Vec<String>,
    next: usize,
    hint: Option<String>,
    /// Hints in a row: two managers that each take the other for the leader must not keep an
    /// agent running.
    hops: u32,
    failures: u32,
}

const HOPS_MAX: u32 = 3;

impl Route {
    pub(crate) fn new(managers: Vec<String>) -> Route {
        Route { managers, next: 0, hint: None, hops: 0, failures: 0 }
    }

    pub(crate) fn address(&self) -> Option<&str> {
        self.hint.as_deref().or_else(|| self.managers.get(self.next).map(String::as_str))
    }

    /// How many rounds were in vain; none: go at once.
    pub(crate) fn rounds_failed(&self) -> Option<u32> {
        let managers = u32::try_from(self.managers.len()).unwrap_or(u32::MAX).max(1);
        (self.failures > 0 && self.hint.is_none()).then(|| (self.failures - 1) / managers)
    }

    pub(crate) fn learned(&mut self, managers: &[String]) {
        let current = self.managers.get(self.next).cloned();
        self.managers = managers.to_vec();
        self.next = self.managers.iter().position(|it| Some(it) == current.as_ref()).unwrap_or(0);
    }

    /// The leader has let us in: it is where the next session is tried first.
    pub(crate) fn opened(&mut self, address: &str) {
        if let Some(at) = self.managers.iter().position(|it| it == address) {
            self.next = at;
        }
        (self.hint, self.hops, self.failures) = (None, 0, 0);
    }

    /// It knows who leads.
    pub(crate) fn redirected(&mut self, to: String) {
        self.hops += 1;
        if self.hops > HOPS_MAX {
            self.failed();
        } else {
            self.hint = Some(to);
        }
    }

    /// No answer, or one that does not help.
    pub(crate) fn failed(&mut self) {
        self.failures += 1;
        self.hops = 0;
        let was_hint = self.hint.take().is_some();
        if !was_hint && !self.managers.is_empty() {
            self.next = (self.next + 1) % self.managers.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_agent_turns() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut route = Route::new(names("a b c"));
        let mut check = |step: &str, expected: &str, rounds: Option<u32>| {
            match step.split_once(' ') {
                None if step == "failed" => route.failed(),
                Some(("opened", address)) => route.opened(address),
                Some(("redirected", address)) => route.redirected(address.to_owned()),
                Some(("learned", managers)) => route.learned(&names(managers)),
                other => panic!("{other:?}"),
            }
            assert_eq!(route.address(), Some(expected), "{step}");
            assert_eq!(route.rounds_failed(), rounds, "{step}");
        };
        check("redirected c", "c", None);
        check("opened c", "c", None);
        check("learned d a c", "c", None);
        check("failed", "d", Some(0));
        check("failed", "a", Some(0));
        check("failed", "c", Some(0));
        check("failed", "d", Some(1));
        // A hint to one that does not answer loses no turn.
        check("redirected x", "x", None);
        check("failed", "d", Some(1));
        check("opened d", "d", None);
        // Two that point to each other.
        check("redirected a", "a", None);
        check("redirected d", "d", None);
        check("redirected a", "a", None);
        check("redirected d", "d", Some(0));
    }
}
