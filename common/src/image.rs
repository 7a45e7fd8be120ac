//! References to images, compared as the engine compares them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A reference with its defaults filled in: `redis` and `docker.io/library/redis:latest` are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    given: String,
    full: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an image reference: {reason}")]
pub struct BadImage {
    pub given: String,
    pub reason: &'static str,
}

impl ImageRef {
    /// As the user wrote it.
    pub fn as_given(&self) -> &str {
        &self.given
    }

    /// With registry, path and tag or digest spelled out: the form in which two are compared.
    pub fn full(&self) -> &str {
        &self.full
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > 512 {
        return Err("it is longer than 512 characters");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./:@+".contains(c);
    if !text.chars().all(allowed) {
        return Err("only letters, digits and `-_./:@+` may be in it");
    }
    let path = text.split(['@']).next().unwrap_or(text);
    let last = path.rsplit('/').next().unwrap_or(path);
    let (name, tag) = last.split_once(':').map_or((last, None), |(name, tag)| (name, Some(tag)));
    if path.split('/').any(str::is_empty) || name.is_empty() {
        return Err("a part of its path is empty");
    }
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return Err("the name must be in lower case");
    }
    if tag.is_some_and(str::is_empty) {
        return Err("nothing stands behind the colon");
    }
    if text.split_once('@').is_some_and(|(_, digest)| !digest.contains(':')) {
        return Err("a digest such as sha256:… is expected behind `@`");
    }
    Ok(())
}

fn fill_in(text: &str) -> String {
    // An image id is complete as it is.
    if text.starts_with("sha256:") {
        return text.to_owned();
    }
    let (path, digest) = text.split_once('@').map_or((text, None), |(p, d)| (p, Some(d)));
    let last_slash = path.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match path[last_slash..].find(':') {
        Some(colon) => (&path[..last_slash + colon], Some(&path[last_slash + colon + 1..])),
        None => (path, None),
    };
    let is_registry = |host: &str| host.contains(['.', ':']) || host == "localhost";
    let name = match name.split_once('/') {
        Some(("index.docker.io", rest)) => format!("docker.io/{rest}"),
        Some((host, _)) if is_registry(host) => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    };
    match (digest, tag) {
        (Some(digest), _) => format!("{name}@{digest}"),
        (None, Some(tag)) => format!("{name}:{tag}"),
        (None, None) => format!("{name}:latest"),
    }
}

impl FromStr for ImageRef {
    type Err = BadImage;
    fn from_str(text: &str) -> Result<Self, BadImage> {
        match check(text) {
            Ok(()) => Ok(Self { given: text.to_owned(), full: fill_in(text) }),
            Err(reason) => Err(BadImage { given: text.to_owned(), reason }),
        }
    }
}

impl TryFrom<String> for ImageRef {
    type Error = BadImage;
    fn try_from(text: String) -> Result<Self, BadImage> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> String {
        image.given
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_filled_in() {
        let cases = [
            ("redis", "docker.io/library/redis:latest"),
            ("redis:7", "docker.io/library/redis:7"),
            ("me/app", "docker.io/me/app:latest"),
            ("localhost:5000/app:1", "localhost:5000/app:1"),
            ("ghcr.io/a/b@sha256:00ff", "ghcr.io/a/b@sha256:00ff"),
            ("index.docker.io/library/redis", "docker.io/library/redis:latest"),
            ("a:1@sha256:00ff", "docker.io/library/a@sha256:00ff"),
        ];
        for (given, full) in cases {
            assert_eq!(given.parse::<ImageRef>().map(|it| it.full), Ok(full.to_owned()));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "a b", "A", "x:", "/x", "x//y", "x@sha256", "é"] {
            assert!(text.parse::<ImageRef>().is_err(), "{text}");
        }
    }
}
