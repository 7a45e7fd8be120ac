//! `.env` files and the `env_file` of a service: assignments, one to a line.

use crate::interpolate::expand;
use crate::node::{FileId, Position};
use crate::problem::{Fault, Report, quote};
use std::collections::BTreeMap;

pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;
/// Variables of variables may double with every line.
const VALUES_BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    /// None where there was no `=`: then the caller's own value is meant.
    pub(crate) value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// With quotes, comments and variables.
    Compose,
    /// All behind `=` as it stands.
    Raw,
}

/// `outer` is asked first, then what stands above in the file.
pub(crate) fn parse(
    file: FileId,
    bytes: &[u8],
    format: Format,
    outer: &dyn Fn(&str) -> Option<String>,
    report: &mut Report,
) -> Result<Vec<Assignment>, Fault> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Fault::new(file.start(), "the file is larger than 1 MiB"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Fault::new(file.start(), "the file is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (found, known) = (Vec::new(), BTreeMap::new());
    Reader { file, format, outer, report, found, known, size: 0 }.run(text)
}

struct Reader<'a> {
    file: FileId,
    format: Format,
    outer: &'a dyn Fn(&str) -> Option<String>,
    report: &'a mut Report,
    found: Vec<Assignment>,
    known: BTreeMap<String, String>,
    size: usize,
}

impl Reader<'_> {
    fn run(mut self, text: &str) -> Result<Vec<Assignment>, Fault> {
        let mut rest = text;
        let mut line = 1;
        while !rest.is_empty() {
            let at = Position { file: self.file, line, column: 1 };
            let taken = self.one(rest, at)?;
            line += rest[..taken].matches('\n').count() as u32;
            rest = &rest[taken..];
        }
        Ok(self.found)
    }

    /// Reads one line, or several where a quoted value has them, and says how much that was.
    fn one(&mut self, text: &str, at: Position) -> Result<usize, Fault> {
        let end = text.find('\n').map_or(text.len(), |end| end + 1);
        let line = text[..end].trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(end);
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, is_set) = match line.split_once('=') {
            Some((name, _)) => (name.trim(), true),
            None => (line, false),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(Fault::new(at, format!("{} is not the name of a variable", quote(name)))
                .hint("a line is NAME=value, or begins with #"));
        }
        if !is_set {
            self.found.push(Assignment { name: name.to_owned(), value: None });
            return Ok(end);
        }
        let begin = text.find('=').map_or(end, |equals| equals + 1);
        let (value, taken) = match self.format {
            Format::Raw => (text[begin..end].trim_end_matches(['\n', '\r']).to_owned(), end),
            Format::Compose => self.value(text, begin, at)?,
        };
        self.size += name.len() + value.len();
        if self.size > VALUES_BYTES_MAX {
            return Err(Fault::new(at, "the values of this file grow larger than 4 MiB here"));
        }
        self.known.insert(name.to_owned(), value.clone());
        self.found.push(Assignment { name: name.to_owned(), value: Some(value) });
        Ok(taken)
    }

    fn value(&mut self, text: &str, begin: usize, at: Position) -> Result<(String, usize), Fault> {
        let blanks = text[begin..].find(|c| c != ' ' && c != '\t').unwrap_or(0);
        let begin = begin + blanks;
        let quoted = text[begin..].chars().next().filter(|first| matches!(first, '"' | '\''));
        let Some(mark) = quoted else {
            let end = text[begin..].find('\n').map_or(text.len(), |end| begin + end + 1);
            let plain = text[begin..end].trim_end();
            let comment = [" #", "\t#"].iter().filter_map(|it| plain.find(it)).min();
            let plain = comment.map_or(plain, |comment| plain[..comment].trim_end());
            let plain = if plain.starts_with('#') && blanks > 0 { "" } else { plain };
            return Ok((self.filled_in(plain, at)?, end));
        };
        let length = closing_quote(&text[begin + 1..], mark)
            .ok_or_else(|| Fault::new(at, "the quote of this value is not closed"))?;
        let inner = &text[begin + 1..begin + 1 + length];
        let after = begin + length + 2;
        let end = text[after..].find('\n').map_or(text.len(), |end| after + end + 1);
        let tail = text[after..end].trim();
        if !tail.is_empty() && !tail.starts_with('#') {
            let text = format!("{} stands behind the closing quote", quote(tail));
            return Err(Fault::new(at, text));
        }
        let value = match mark {
            '"' => unescaped(&self.filled_in(&guarded(inner), at)?),
            _ => inner.replace("\\'", "'"),
        };
        Ok((value, end))
    }

    fn filled_in(&mut self, value: &str, at: Position) -> Result<String, Fault> {
        let lookup = |name: &str| (self.outer)(name).or_else(|| self.known.get(name).cloned());
        let expanded = expand(value, &lookup).map_err(|reason| Fault::new(at, reason))?;
        for name in expanded.unset {
            let text = format!("variable {} is not set", quote(&name));
            let hint = "nothing stands in its place; a dollar in single quotes is a dollar";
            self.report.warn(Fault::new(at, text).hint(hint));
        }
        Ok(expanded.text)
    }
}

fn closing_quote(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == mark && !escaped {
            return Some(at);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// `\$` is a dollar that begins no variable.
fn guarded(text: &str) -> String {
    text.replace("\\$", "$$")
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, if c == '\\' { rest.clone().next() } else { None }) {
            ('\\', Some(escape @ ('n' | 'r' | 't' | '\\' | '"'))) => {
                rest.next();
                plain.push(match escape {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                });
            }
            (c, _) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, format: Format) -> String {
        let file = crate::node::Sources::default().add(crate::node::Source {
            shown: String::new(),
            folder: Default::default(),
            environment: Default::default(),
        });
        let outer = |name: &str| (name == "OUT").then(|| "out".to_owned());
        match parse(file, text.as_bytes(), format, &outer, &mut Report::default()) {
            Ok(found) => found
                .into_iter()
                .map(|it| match it.value {
                    Some(value) => format!("{}={value};", it.name),
                    None => format!("{};", it.name),
                })
                .collect(),
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn lines_mean_what_shells_make_of_them() {
        let cases = [
            ("", ""),
            ("# a\n\n  \n", ""),
            ("A=b", "A=b;"),
            ("A=b\r\nC=d\r\n", "A=b;C=d;"),
            ("A = b ", "A=b;"),
            ("A=\"b\"", "A=b;"),
            ("A='b'", "A=b;"),
            ("A=b # c", "A=b;"),
            ("A=b# c", "A=b# c;"),
            ("A= # c", "A=;"),
            ("A=\"b # c\" # d", "A=b # c;"),
            ("A='$OUT ${OUT}'", "A=$OUT ${OUT};"),
            ("A='Let\\'s go!'", "A=Let's go!;"),
            ("A=\"{\\\"b\\\": 1}\"", "A={\"b\": 1};"),
            ("A=\"b\\tc\"", "A=b\tc;"),
            ("A='b\\tc'", "A=b\\tc;"),
            ("A=b\\tc", "A=b\\tc;"),
            ("A=\"b\nc\"\nD=e", "A=b\nc;D=e;"),
            ("A=\nB", "A=;B;"),
            ("export A=1", "A=1;"),
            ("A=1\nB=${A}$OUT${C:-c}\n", "A=1;B=1outc;"),
            ("A=\"\\$OUT $$OUT\"", "A=$OUT $OUT;"),
            ("A=b=c", "A=b=c;"),
        ];
        for (text, meant) in cases {
            assert_eq!(shown(text, Format::Compose), meant, "{text}");
        }
        assert_eq!(shown("A='$b' # c\n", Format::Raw), "A='$b' # c;");
    }

    #[test]
    fn nonsense_is_refused_and_growth_is_bounded() {
        for text in ["=a", "a b=c", "A=\"b", "A='b' c", "A=${B", "{}"] {
            assert!(shown(text, Format::Compose).starts_with("Fault"), "{text}");
        }
        let mut doubling = "V0=xxxxxxxxxxxxxxxx\n".to_owned();
        for n in 0..40 {
            doubling += &format!("V{}=$V{n}$V{n}\n", n + 1);
        }
        let said = shown(&doubling, Format::Compose);
        assert!(said.contains("longer than 1 MiB") || said.contains("larger than 4 MiB"), "{said}");
    }
}
