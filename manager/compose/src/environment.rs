//! Variables: the caller's own, and those of `.env` files, which are weaker.

use crate::dotenv;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

#[derive(Clone, Default)]
pub(crate) struct Environment {
    /// Asked first. Included files share what their includer knows instead of copying it.
    stronger: Option<Rc<Environment>>,
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
        Environment { stronger: None, variables }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let stronger = self.stronger.as_ref().and_then(|it| it.get(name));
        stronger.or_else(|| self.variables.get(name).map(String::as_str))
    }

    /// One variable that nothing else can say otherwise.
    pub(crate) fn with(self: Rc<Self>, name: &str, value: &str) -> Environment {
        let first = Environment::new(BTreeMap::from([(name.to_owned(), value.to_owned())]));
        Environment { stronger: Some(Rc::new(first)), variables: self.flat() }
    }

    /// Files of variables below an environment; later files are stronger than earlier.
    pub(crate) fn below(
        stronger: Rc<Environment>,
        files: Vec<Vec<dotenv::Assignment>>,
    ) -> Environment {
        let set = |it: dotenv::Assignment| it.value.map(|value| (it.name, value));
        let variables = files.into_iter().flatten().filter_map(set).collect();
        Environment { stronger: Some(stronger), variables }
    }

    fn flat(&self) -> BTreeMap<String, String> {
        let mut variables = self.variables.clone();
        if let Some(stronger) = &self.stronger {
            variables.extend(stronger.flat());
        }
        variables
    }
}
