//! What is wrong with a file, and where: one line for a person each.

use crate::node::{Position, Sources};
use std::fmt;

/// More than these help nobody at once.
const PROBLEMS_MAX: usize = 20;
/// More than these are not even counted.
const FAULTS_MAX: usize = 1_000;
/// What people wrote is quoted up to here: a problem stays one line.
const QUOTE_CHARS_MAX: usize = 60;
const TEXT_CHARS_MAX: usize = 400;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// As the person named it, or as they would.
    pub file: String,
    /// Both from one on; none where the whole file is meant.
    pub line_and_column: Option<(u32, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub at: Option<Place>,
    pub text: String,
    pub hint: Option<String>,
}

/// What keeps the files from being one project: at least one problem, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    pub found: Vec<Problem>,
    /// How many more there were.
    pub left_out: usize,
    /// What may explain them, such as a variable that is not set.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line_and_column {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.at {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.found.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))?;
        match self.left_out {
            0 => Ok(()),
            count => write!(f, "\nand {count} more"),
        }
    }
}

impl std::error::Error for Problems {}

/// A problem whose file is not yet a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    at: Option<Position>,
    text: String,
    hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(at: Position, text: impl Into<String>) -> Fault {
        Fault { at: Some(at), text: text.into(), hint: None }
    }

    /// Of the request rather than of a file.
    pub(crate) fn general(text: impl Into<String>) -> Fault {
        Fault { at: None, text: text.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    fn into_problem(self, sources: &Sources) -> Problem {
        Problem {
            at: self.at.map(|at| sources.place(at)),
            text: one_line(&self.text),
            hint: self.hint.as_deref().map(one_line),
        }
    }
}

/// Gathers what is found on the way; clones of one node complain once.
#[derive(Debug, Default)]
pub(crate) struct Report {
    errors: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Report {
    pub(crate) fn error(&mut self, fault: Fault) {
        if self.errors.len() < FAULTS_MAX {
            self.errors.push(fault);
        }
    }

    pub(crate) fn warn(&mut self, fault: Fault) {
        if self.warnings.len() < FAULTS_MAX {
            self.warnings.push(fault);
        }
    }

    pub(crate) fn take_over(&mut self, other: Report) {
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }

    /// Whether there is no use in thinking about further problems.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= FAULTS_MAX
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Strictness makes errors of warnings.
    pub(crate) fn turn_warnings_into_errors(&mut self) {
        self.errors.append(&mut self.warnings);
    }

    /// The warnings alone where there are no errors.
    pub(crate) fn close(self, sources: &Sources) -> Result<Vec<Problem>, Problems> {
        let named = |faults: Vec<Fault>| -> Vec<Problem> {
            faults.into_iter().map(|it| it.into_problem(sources)).collect()
        };
        let Report { mut errors, mut warnings } = self;
        warnings.sort();
        warnings.dedup();
        if errors.is_empty() {
            return Ok(named(warnings));
        }
        // Of what several passes say about one place, the first one's word is nearest to the cause.
        errors.sort_by_key(|it| it.at);
        errors.dedup_by(|later, first| {
            later == first || (later.at.is_some() && later.at == first.at)
        });
        let left_out = errors.len().saturating_sub(PROBLEMS_MAX);
        errors.truncate(PROBLEMS_MAX);
        warnings.truncate(PROBLEMS_MAX);
        Err(Problems { found: named(errors), left_out, warnings: named(warnings) })
    }
}

/// What somebody wrote, short and on one line.
pub(crate) fn quote(text: &str) -> String {
    format!("`{}`", shortened(text, QUOTE_CHARS_MAX))
}

/// Other crates' errors quote what they were given as it was.
fn one_line(text: &str) -> String {
    shortened(text, TEXT_CHARS_MAX)
}

fn shortened(text: &str, chars_max: usize) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(chars_max).map(visible).collect();
    if text.chars().nth(chars_max).is_some() {
        short.push('…');
    }
    short
}
