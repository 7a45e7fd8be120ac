//! `$NAME` and `${NAME:-default}` in values.

use crate::budget::{Budget, Exceeded, cost_of_text};
use crate::environment::Environment;
use crate::node::{Node, Value};
use crate::problem::{Fault, Report, quote};

/// Defaults within defaults; each level is a call.
const DEPTH_MAX: usize = 16;
/// No value is longer than this after its variables are filled in.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Fills in the variables of all values below a node.
pub(crate) fn interpolate(
    node: &mut Node,
    environment: &Environment,
    budget: &mut Budget,
    report: &mut Report,
) -> Result<(), Fault> {
    match &mut node.value {
        Value::Null => {}
        Value::Text(text) => {
            if !text.text.contains('$') {
                return Ok(());
            }
            match expand(&text.text, &|name| environment.get(name).map(str::to_owned)) {
                Ok(expanded) => {
                    budget
                        .spend(cost_of_text(&expanded.text))
                        .map_err(|Exceeded| Fault::new(node.at, Exceeded::TEXT))?;
                    for name in expanded.unset {
                        let text = format!("variable {} is not set", quote(&name));
                        report.warn(Fault::new(node.at, text).hint("nothing stands in its place"));
                    }
                    text.text = expanded.text;
                }
                Err(reason) => report.error(Fault::new(node.at, reason)),
            }
        }
        Value::List(list) => {
            for item in list {
                interpolate(item, environment, budget, report)?;
            }
        }
        Value::Map(map) => {
            for entry in map.values_mut() {
                interpolate(&mut entry.node, environment, budget, report)?;
            }
        }
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// Variables that were asked for without a default and are not set.
    pub(crate) unset: Vec<String>,
}

/// Where variables come from.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(crate) fn expand(text: &str, lookup: Lookup<'_>) -> Result<Expanded, String> {
    let mut expanded = Expanded::default();
    expand_into(text, lookup, &mut expanded, 0)?;
    Ok(expanded)
}

fn expand_into(
    text: &str,
    lookup: Lookup<'_>,
    expanded: &mut Expanded,
    depth: usize,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("defaults are nested more than {DEPTH_MAX} deep"));
    }
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        push(expanded, &rest[..dollar])?;
        let after = &rest[dollar + 1..];
        rest = if let Some(after) = after.strip_prefix('$') {
            push(expanded, "$")?;
            after
        } else if let Some(braced) = after.strip_prefix('{') {
            let end = closing_brace(braced).ok_or_else(|| {
                format!("the brace after `${{` is not closed in {}", quote(&rest[dollar..]))
            })?;
            expand_braced(&braced[..end], lookup, expanded, depth)?;
            &braced[end + 1..]
        } else {
            let length = name_length(after);
            if length == 0 {
                push(expanded, "$")?;
            } else {
                plain_value(&after[..length], lookup, expanded)?;
            }
            &after[length..]
        };
    }
    push(expanded, rest)
}

fn push(expanded: &mut Expanded, text: &str) -> Result<(), String> {
    if expanded.text.len() + text.len() > TEXT_BYTES_MAX {
        return Err("the value is longer than 1 MiB with its variables filled in".to_owned());
    }
    expanded.text.push_str(text);
    Ok(())
}

fn name_length(text: &str) -> usize {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}

/// Braces of inner variables are skipped over, and `$$` is nobody's dollar.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 0;
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'$', Some(b'$')) => at += 1,
            (b'$', Some(b'{')) => {
                open += 1;
                at += 1;
            }
            (b'}', _) if open == 0 => return Some(at),
            (b'}', _) => open -= 1,
            (_, _) => {}
        }
        at += 1;
    }
    None
}

/// Unset variables without a default are empty and remembered.
fn plain_value(name: &str, lookup: Lookup<'_>, expanded: &mut Expanded) -> Result<(), String> {
    match lookup(name) {
        Some(value) => push(expanded, &value),
        None => {
            expanded.unset.push(name.to_owned());
            Ok(())
        }
    }
}

fn expand_braced(
    inner: &str,
    lookup: Lookup<'_>,
    expanded: &mut Expanded,
    depth: usize,
) -> Result<(), String> {
    let (name, rest) = inner.split_at(name_length(inner));
    let wrong = || {
        let given = quote(&format!("${{{inner}}}"));
        Err(format!(
            "{given} is not a variable; there are ${{A}}, ${{A:-default}}, ${{A:?error}}, \
             ${{A:+instead}}, and $$ for a dollar"
        ))
    };
    if name.is_empty() {
        return wrong();
    }
    let (colon, operation) = match rest.strip_prefix(':') {
        Some(operation) => (true, operation),
        None => (false, rest),
    };
    let value = lookup(name).filter(|value| !(colon && value.is_empty()));
    if rest.is_empty() {
        return plain_value(name, lookup, expanded);
    }
    // The default is one character behind; all three are one byte long.
    match (operation.chars().next(), value) {
        (Some('-' | '?'), Some(value)) => push(expanded, &value),
        (Some('+'), Some(_)) | (Some('-'), None) => {
            expand_into(&operation[1..], lookup, expanded, depth + 1)
        }
        (Some('+'), None) => Ok(()),
        (Some('?'), None) => {
            let mut message = Expanded::default();
            expand_into(&operation[1..], lookup, &mut message, depth + 1)?;
            let state = if colon { "is not set or empty" } else { "is not set" };
            let needed = format!("variable {} {state}", quote(name));
            match message.text.as_str() {
                "" => Err(needed),
                said => Err(format!("{needed}: {}", quote(said).trim_matches('`'))),
            }
        }
        (Some(_) | None, _) => wrong(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let lookup = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "B" => Some("b".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        match expand(text, &lookup) {
            Ok(Expanded { text, unset }) if unset.is_empty() => text,
            Ok(Expanded { text, unset }) => format!("{text} (unset: {})", unset.join(" ")),
            Err(reason) => format!("error: {reason}"),
        }
    }

    #[test]
    fn all_forms() {
        let cases = [
            ("$A-${B}", "a-b"),
            ("$$A $${A}", "$A ${A}"),
            ("$A$B", "ab"),
            ("100$ or $1 or $", "100$ or $1 or $"),
            ("$C", " (unset: C)"),
            ("${C-d}${EMPTY-d}", "d"),
            ("${C:-d}${EMPTY:-d}", "dd"),
            ("${A+r}${C+r}${EMPTY+r}", "rr"),
            ("${A:+r}${C:+r}${EMPTY:+r}", "r"),
            ("${C:-${D:-${A}}}", "a"),
            ("${C:-x}}", "x}"),
            ("${C:-$$}", "$"),
            ("${C:-a:b-c?d}", "a:b-c?d"),
            ("${EMPTY?e}${A?e}", "a"),
            ("${C:?set $A}", "error: variable `C` is not set or empty: set a"),
            ("${C?}", "error: variable `C` is not set"),
            ("${A", "error: the brace after `${` is not closed in `${A`"),
        ];
        for (text, meant) in cases {
            assert_eq!(shown(text), meant, "{text}");
        }
        for text in ["${}", "${A/b/c}", "${1}", "${A!}", "${A:b}", "${A:}", "${ A}", "${é}"] {
            assert!(shown(text).contains("is not a variable"), "{text}");
        }
        let deep = format!("{}x{}", "${C:-".repeat(40), "}".repeat(40));
        assert_eq!(shown(&deep), "error: defaults are nested more than 16 deep");
    }
}
