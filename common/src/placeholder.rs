//! Placeholders as Swarm's services have them: `{{.Task.Slot}}` and the like, filled in where a
//! task's container is made. Of Go's templates this is what Swarm's manual shows, and no more.

use crate::assignment::Assignment;
use crate::container::{ContainerSpec, MountSource};
use crate::named::named;
use crate::platform::Platform;
use std::sync::Arc;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const LABEL: &str = ".Service.Labels.";
/// Of what nobody closed, so much is shown.
const SHOWN_MAX: usize = 40;

/// Where a task's container is made, as far as the assignment does not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub node_name: String,
    pub platform: Platform,
}

named! {
    /// What is known of every task.
    Key {
        ServiceId ".Service.ID",
        ServiceName ".Service.Name",
        NodeId ".Node.ID",
        NodeHostname ".Node.Hostname",
        NodeArchitecture ".Node.Platform.Architecture",
        NodeOs ".Node.Platform.OS",
        TaskId ".Task.ID",
        TaskName ".Task.Name",
        TaskSlot ".Task.Slot",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Key(Key),
    /// `{{.Service.Labels.KEY}}`
    Label(&'a str),
    /// `{{index .Service.Labels "KEY"}}`, which is nothing where there is no such label.
    LabelIfAny(&'a str),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPlaceholder {
    #[error(
        "{given} is not a placeholder that is known: there are {}, {{{{.Service.Labels.KEY}}}} and \
         {{{{index .Service.Labels \"KEY\"}}}}, without functions or conditions; for two braces as \
         they are write {{{{\"{{{{\"}}}}",
        known()
    )]
    Unknown { given: String },
    #[error(
        "in `{given}` the braces are not closed: close them with }}}}, or for two braces as they \
         are write {{{{\"{{{{\"}}}}"
    )]
    Open { given: String },
    #[error(
        "the service has no label `{label}`: give it one (--label {label}=VALUE, in compose files \
         below deploy.labels), or write {{{{index .Service.Labels \"{label}\"}}}} for none"
    )]
    NoLabel { label: String },
}

fn known() -> String {
    let words = Key::WORDS.iter().map(|(word, _)| format!("{OPEN}{word}{CLOSE}"));
    words.collect::<Vec<_>>().join(", ")
}

/// A placeholder, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Unfilled {
    pub field: String,
    #[source]
    pub reason: BadPlaceholder,
}

/// Whether a text is not what it will be.
pub fn has_placeholders(text: &str) -> bool {
    text.contains(OPEN)
}

impl Assignment {
    /// With values in place of placeholders, everywhere where there may be some.
    pub fn filled_in(&self, site: &Site) -> Result<Assignment, Unfilled> {
        let mut filled = self.clone();
        let container = &mut Arc::make_mut(&mut filled.spec).container;
        fill_all(container, |text| self.fill(text, site))?;
        Ok(filled)
    }

    fn fill(&self, text: &str, site: &Site) -> Result<String, BadPlaceholder> {
        let mut filled = String::new();
        for part in parts(text)? {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Key(key) => filled.push_str(&self.value(key, site)),
                Part::Label(label) => {
                    let value = self.service_labels.get(label);
                    let missing = || BadPlaceholder::NoLabel { label: label.to_owned() };
                    filled.push_str(value.ok_or_else(missing)?);
                }
                Part::LabelIfAny(label) => {
                    filled.push_str(self.service_labels.get(label).map_or("", String::as_str));
                }
            }
        }
        Ok(filled)
    }

    fn value(&self, key: Key, site: &Site) -> String {
        match key {
            Key::ServiceId => self.service.to_string(),
            Key::ServiceName => self.service_name.clone(),
            Key::NodeId => self.node.to_string(),
            Key::NodeHostname => site.node_name.clone(),
            Key::NodeArchitecture => site.platform.machine().to_owned(),
            Key::NodeOs => site.platform.os.clone(),
            Key::TaskId => self.task.to_string(),
            Key::TaskName => self.container_name(),
            Key::TaskSlot => self.slot.to_string(),
        }
    }
}

fn fill_all(
    container: &mut ContainerSpec,
    fill: impl Fn(&str) -> Result<String, BadPlaceholder>,
) -> Result<(), Unfilled> {
    let fill = |text: &mut String, field: &dyn Fn() -> String| match fill(text) {
        Ok(filled) => {
            *text = filled;
            Ok(())
        }
        Err(reason) => Err(Unfilled { field: field(), reason }),
    };
    if let Some(hostname) = &mut container.hostname {
        fill(hostname, &|| "host name".to_owned())?;
    }
    for variable in &mut container.env {
        if let Some((name, value)) = variable.split_once('=') {
            let mut value = value.to_owned();
            fill(&mut value, &|| format!("environment variable {name}"))?;
            *variable = format!("{name}={value}");
        }
    }
    for mount in &mut container.mounts {
        let target = mount.target.clone();
        fill(&mut mount.target, &|| format!("mount target {target}"))?;
        match &mut mount.source {
            MountSource::Bind(bind) => {
                fill(&mut bind.path, &|| format!("source of mount {target}"))?;
            }
            MountSource::Volume(volume) => {
                if let Some(name) = &mut volume.name {
                    fill(name, &|| format!("source of mount {target}"))?;
                }
                for (label, value) in &mut volume.labels {
                    fill(value, &|| format!("volume label {label} of mount {target}"))?;
                }
                for (option, value) in &mut volume.options {
                    fill(value, &|| format!("volume option {option} of mount {target}"))?;
                }
            }
            MountSource::Tmpfs(_) => {}
        }
    }
    Ok(())
}

fn parts(mut text: &str) -> Result<Vec<Part<'_>>, BadPlaceholder> {
    let mut parts = Vec::new();
    while let Some(open) = text.find(OPEN) {
        let (before, at_open) = text.split_at(open);
        let Some((words, rest)) = words(&at_open[OPEN.len()..]) else {
            return Err(BadPlaceholder::Open { given: at_open.chars().take(SHOWN_MAX).collect() });
        };
        let given = at_open.strip_suffix(rest).unwrap_or(at_open);
        let part = part(&words);
        parts.push(Part::Text(before));
        parts.push(part.ok_or_else(|| BadPlaceholder::Unknown { given: given.to_owned() })?);
        text = rest;
    }
    parts.push(Part::Text(text));
    Ok(parts)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    Bare(&'a str),
    Quoted(&'a str),
}

/// What stands between braces, and what follows them; none where they are not closed.
fn words(mut text: &str) -> Option<(Vec<Word<'_>>, &str)> {
    let mut words = Vec::new();
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix(CLOSE) {
            return Some((words, rest));
        }
        if let Some(quote) = ["\"", "`"].into_iter().find(|it| text.starts_with(it)) {
            let (quoted, rest) = text.strip_prefix(quote)?.split_once(quote)?;
            // Go would read more into a backslash.
            let is_plain = quote == "`" || !quoted.contains('\\');
            words.push(if is_plain { Word::Quoted(quoted) } else { Word::Bare(quoted) });
            text = rest;
        } else {
            let close = text.find(CLOSE)?;
            let end = text.find(char::is_whitespace).map_or(close, |it| it.min(close));
            let (word, rest) = text.split_at(end);
            words.push(Word::Bare(word));
            text = rest;
        }
    }
}

fn part<'a>(words: &[Word<'a>]) -> Option<Part<'a>> {
    match words {
        [Word::Quoted(text)] => Some(Part::Text(text)),
        [Word::Bare("index"), Word::Bare(".Service.Labels"), Word::Quoted(label)] => {
            Some(Part::LabelIfAny(label))
        }
        [Word::Bare(word)] => match word.strip_prefix(LABEL) {
            Some(label) => is_identifier(label).then_some(Part::Label(label)),
            None => Key::WORDS.iter().find(|(it, _)| it == word).map(|(_, key)| Part::Key(*key)),
        },
        _ => None,
    }
}

/// Labels with dots and dashes in their names are reached by `index` alone, in Go as here.
fn is_identifier(text: &str) -> bool {
    let is_inner = |it: char| it.is_alphanumeric() || it == '_';
    text.chars().next().is_some_and(|it| !it.is_numeric()) && text.chars().all(is_inner)
}

#[cfg(test)]
mod tests;
