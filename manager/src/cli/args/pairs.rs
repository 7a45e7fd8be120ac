//! `NAME=value` in all its places: labels, environment variables, files of them.

/// An environment variable as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum EnvWish {
    Value {
        name: String,
        value: String,
    },
    /// As it is where the command is typed; not at all where it is unset there.
    OfCaller {
        name: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadPair {
    #[error("NAME=value is expected")]
    NoName,
    #[error("there is a blank in the name `{0}`")]
    BlankInName(String),
    #[error("line {number}: {problem}")]
    InLine { number: usize, problem: Box<BadPair> },
}

fn check_name(name: &str) -> Result<(), BadPair> {
    if name.is_empty() {
        return Err(BadPair::NoName);
    }
    if name.contains(char::is_whitespace) {
        return Err(BadPair::BlankInName(name.to_owned()));
    }
    Ok(())
}

/// A label without a value has an empty one.
pub(in crate::cli) fn parse_label(text: &str) -> Result<(String, String), BadPair> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    check_name(name)?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(in crate::cli) fn parse_env(text: &str) -> Result<EnvWish, BadPair> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, it)| (name, Some(it)));
    check_name(name)?;
    let name = name.to_owned();
    Ok(match value {
        Some(value) => EnvWish::Value { name, value: value.to_owned() },
        None => EnvWish::OfCaller { name },
    })
}

/// A line each; blank ones and those that begin with `#` say nothing.
pub(in crate::cli) fn parse_env_file(text: &str) -> Result<Vec<EnvWish>, BadPair> {
    let text = text.trim_start_matches('\u{feff}');
    let lines = text.lines().map(str::trim_start).enumerate();
    let meant = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    meant
        .map(|(index, line)| {
            parse_env(line).map_err(|problem| BadPair::InLine {
                number: index + 1,
                problem: Box::new(problem),
            })
        })
        .collect()
}

/// Each name once, at the place where it came first, with the value that came last.
pub(in crate::cli) fn environment<'a>(
    wishes: impl Iterator<Item = &'a EnvWish>,
    of_caller: &dyn Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for wish in wishes {
        let (name, value) = match wish {
            EnvWish::Value { name, value } => (name, value.clone()),
            EnvWish::OfCaller { name } => match of_caller(name) {
                Some(value) => (name, value),
                None => continue,
            },
        };
        match pairs.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => pairs.push((name, value)),
        }
    }
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        for (text, expected) in [
            ("a=b", pair("a", "b")),
            ("a", pair("a", "")),
            ("a=b=c", pair("a", "b=c")),
            ("=b", Err(BadPair::NoName)),
            ("", Err(BadPair::NoName)),
            ("a b=c", Err(BadPair::BlankInName("a b".to_owned()))),
        ] {
            assert_eq!(parse_label(text), expected, "{text}");
        }
    }

    #[test]
    fn the_last_value_wins_and_the_unset_is_left_out() {
        let file = "# a file\n\nA=1\n  B=x y\nHOME\nNONE\n";
        let wishes = parse_env_file(file).expect("a good file");
        let later = parse_env("A=2").expect("a pair");
        let of_caller = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let found = environment(wishes.iter().chain([&later]), &of_caller);
        assert_eq!(found, ["A=2", "B=x y", "HOME=/root"]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let refused = parse_env_file("A=1\n\nA B=2").map_err(|it| it.to_string());
        assert_eq!(refused, Err("line 3: there is a blank in the name `A B`".to_owned()));
    }
}
