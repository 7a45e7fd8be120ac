//! What was typed wrong, in one line: what it is, and what would be right.

use clap::error::ErrorKind;

/// None: what was asked for is the help itself, or the version.
pub(super) fn in_one_line(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        _ => {}
    }
    let text = error.to_string();
    let mut words = Vec::new();
    let mut command = "skep COMMAND".to_owned();
    for line in text.lines().map(str::trim).filter(|it| !it.is_empty()) {
        if let Some(usage) = line.strip_prefix("Usage: ") {
            let names = usage.split_whitespace();
            let names = names.take_while(|it| it.starts_with(|c: char| c.is_ascii_lowercase()));
            command = names.collect::<Vec<_>>().join(" ");
            break;
        }
        if line.starts_with("For more information") {
            break;
        }
        // What begins with a dash is never meant to be a value here.
        if !line.contains("as a value, use") {
            words.push(line.strip_prefix("tip: ").map_or_else(|| line.to_owned(), tip));
        }
    }
    Some(format!("{} (`{command} --help` tells more)", words.join(" ")))
}

fn tip(text: &str) -> String {
    format!("({text})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn a_line_says_what_is_wrong() {
        let cases = [
            (
                "join 10.0.0.1",
                "error: the following required arguments were not provided: --token <TOKEN> \
                 (`skep join --help` tells more)",
            ),
            (
                "service scale web",
                "error: invalid value 'web' for '<SERVICE=REPLICAS>...': SERVICE=REPLICAS is expected, \
                 as in web=3 (`skep COMMAND --help` tells more)",
            ),
            (
                "service create --nam web nginx",
                "error: unexpected argument '--nam' found (a similar argument exists: '--name') \
                 (`skep service create --help` tells more)",
            ),
        ];
        for (line, expected) in cases {
            let words = ["skep"].into_iter().chain(line.split_whitespace());
            let command = crate::cli::Arguments::command();
            let error = command.try_get_matches_from(words).expect_err(line);
            assert_eq!(in_one_line(&error).expect(line), expected);
        }
        let help = crate::cli::Arguments::command().try_get_matches_from(["skep", "--help"]);
        assert_eq!(in_one_line(&help.expect_err("it is no command")), None);
    }
}
