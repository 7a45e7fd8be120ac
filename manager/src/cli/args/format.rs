//! `--format`.

use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Format {
    /// For people.
    Table,
    /// For programs: one object a line, with Docker's key names.
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadFormat {
    #[error("Go templates come with a later version; `--format json` and jq do the same today")]
    Template,
    #[error("table or json is expected")]
    Unknown,
}

impl FromStr for Format {
    type Err = BadFormat;
    fn from_str(text: &str) -> Result<Format, BadFormat> {
        match text {
            "table" => Ok(Format::Table),
            "json" => Ok(Format::Json),
            _ if text.contains("{{") => Err(BadFormat::Template),
            _ => Err(BadFormat::Unknown),
        }
    }
}

/// The only `--format` of `inspect`, whose answer is JSON as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct JsonOnly;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum NotJson {
    #[error(transparent)]
    Template(BadFormat),
    #[error("json is expected; `--pretty` prints it for people")]
    Unknown,
}

impl FromStr for JsonOnly {
    type Err = NotJson;
    fn from_str(text: &str) -> Result<JsonOnly, NotJson> {
        match text.parse() {
            Ok(Format::Json) => Ok(JsonOnly),
            Err(BadFormat::Template) => Err(NotJson::Template(BadFormat::Template)),
            Ok(Format::Table) | Err(BadFormat::Unknown) => Err(NotJson::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_told_apart_from_nonsense() {
        let cases = [
            ("table", Ok(Format::Table)),
            ("json", Ok(Format::Json)),
            ("{{.ID}}", Err(BadFormat::Template)),
            ("table {{.ID}}", Err(BadFormat::Template)),
            ("yaml", Err(BadFormat::Unknown)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), expected, "{text}");
        }
        assert_eq!("json".parse(), Ok(JsonOnly));
        assert_eq!("table".parse::<JsonOnly>(), Err(NotJson::Unknown));
    }
}
