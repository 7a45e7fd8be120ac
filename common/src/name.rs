//! Names that people give, checked once.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// 63 is what a DNS label holds, and service names become DNS labels.
pub const NAME_LENGTH_MAX: usize = 63;

/// The name of a service or a node: a DNS label that may also hold `_` and `.`, as Docker allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid name: {reason}")]
pub struct BadName {
    pub given: String,
    pub reason: &'static str,
}

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let refuse = |reason| Err(BadName { given: text.to_owned(), reason });
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > NAME_LENGTH_MAX {
            return refuse("it is longer than 63 characters");
        }
        if !text.chars().all(inner) {
            return refuse("only letters, digits, `-`, `_` and `.` may be in it");
        }
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        if !edge(text.chars().next()) || !edge(text.chars().last()) {
            return refuse("it must begin and end with a letter or a digit");
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["web", "my_app.web-1", "0", "A"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-web", "web-", "we b", "wéb", "a/b", &"x".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
