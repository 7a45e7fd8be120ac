//! Variables: the caller's own, and those of `.env` files, which are weaker.

use crate::dotenv;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
}

/// Values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    pub(crate) fn new(variables: BTreeMap<String, String>) -> Environment {
        Environment { variables }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// This environment with what the files add to it; later files are stronger than earlier.
    pub(crate) fn with_files(&self, files: Vec<Vec<dotenv::Assignment>>) -> Environment {
        let mut variables = BTreeMap::new();
        for assignment in files.into_iter().flatten() {
            if let Some(value) = assignment.value {
                variables.insert(assignment.name, value);
            }
        }
        variables.extend(self.variables.clone());
        Environment { variables }
    }
}
