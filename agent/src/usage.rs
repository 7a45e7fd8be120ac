//! What was typed wrong, in one line: what it is, and what would be right.

use clap::Parser;
use clap::error::ErrorKind;
use std::io::Write as _;
use std::process::ExitCode;

/// What was typed; or what the program ends with, after it was told what is wrong.
pub fn parse<Arguments: Parser>() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        // Where the terminal is gone, nobody is left to be told.
        match in_one_line(&error) {
            Some(line) => drop(writeln!(std::io::stderr(), "{line}")),
            None => drop(error.print()),
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX))
    })
}

/// None: what was asked for is the help itself, or the version.
pub fn in_one_line(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        _ => {}
    }
    let text = error.to_string();
    let mut words = Vec::new();
    let mut help = "--help".to_owned();
    for line in text.lines().map(str::trim).filter(|it| !it.is_empty()) {
        if let Some(usage) = line.strip_prefix("Usage: ") {
            let names = usage.split_whitespace();
            let names = names.take_while(|it| it.starts_with(|c: char| c.is_ascii_lowercase()));
            help = format!("{} --help", names.collect::<Vec<_>>().join(" "));
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
    Some(format!("{} (`{help}` tells more)", words.join(" ")))
}

fn tip(text: &str) -> String {
    format!("({text})")
}
