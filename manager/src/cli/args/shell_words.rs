//! Words as a shell splits them, for `--entrypoint "sh -c 'echo hi'"`.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadWords {
    #[error("a quotation mark is not closed in `{0}`")]
    OpenQuote(String),
    #[error("nothing follows the last backslash in `{0}`")]
    OpenEscape(String),
}

/// Quotes and backslashes as in a shell; nothing is expanded.
pub(in crate::cli) fn split(text: &str) -> Result<Vec<String>, BadWords> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (it, Some(open)) if it == open => quote = None,
            ('\\', None | Some('"')) => {
                let next =
                    characters.next().ok_or_else(|| BadWords::OpenEscape(text.to_owned()))?;
                let word = word.get_or_insert_default();
                // Inside double quotes a backslash protects only these.
                if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                    word.push('\\');
                }
                word.push(next);
            }
            (it @ ('"' | '\''), None) => {
                quote = Some(it);
                word.get_or_insert_default();
            }
            (it, None) if it.is_whitespace() => words.extend(word.take()),
            (it, _) => word.get_or_insert_default().push(it),
        }
    }
    if quote.is_some() {
        return Err(BadWords::OpenQuote(text.to_owned()));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[]),
            ("  sh  -c ", &["sh", "-c"]),
            ("sh -c 'echo hi'", &["sh", "-c", "echo hi"]),
            (r#"a"b c"d ''"#, &["ab cd", ""]),
            (r"a\ b", &["a b"]),
            (r#""\"\n""#, &[r#""\n"#]),
            (r"'\'", &[r"\"]),
        ];
        for (text, expected) in cases {
            let expected: Vec<String> = expected.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(split(text), Ok(expected), "{text}");
        }
        for text in ["'a", "\"a", "a\\"] {
            assert!(split(text).is_err(), "{text}");
        }
    }
}
