//! Which machine code a node runs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// In the words of image manifests: `linux/arm/v7`, `linux/arm64/v8`, `linux/amd64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub arch: String,
    pub variant: Option<String>,
}

impl Platform {
    /// From what the engine or the kernel calls the machine: `x86_64`, `armv7l`, `aarch64`, ….
    pub fn from_machine(os: &str, machine: &str) -> Platform {
        let (arch, variant) = match machine {
            "x86_64" | "amd64" => ("amd64", None),
            "aarch64" | "arm64" => ("arm64", Some("v8")),
            "armv8l" => ("arm", Some("v8")),
            "armv7l" | "armhf" => ("arm", Some("v7")),
            "armv6l" => ("arm", Some("v6")),
            "i386" | "i686" => ("386", None),
            "riscv64" => ("riscv64", None),
            other => (other, None),
        };
        Platform { os: os.to_owned(), arch: arch.to_owned(), variant: variant.map(str::to_owned) }
    }
}

impl Platform {
    /// What the engine and the kernel call such a machine.
    pub fn machine(&self) -> &str {
        match (self.arch.as_str(), self.variant.as_deref()) {
            ("amd64", _) => "x86_64",
            ("arm64", _) => "aarch64",
            ("arm", Some("v8")) => "armv8l",
            ("arm", Some("v7")) => "armv7l",
            ("arm", Some("v6")) => "armv6l",
            ("386", _) => "i686",
            (other, _) => other,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a platform such as linux/amd64 or linux/arm/v7")]
pub struct BadPlatform {
    pub given: String,
}

impl FromStr for Platform {
    type Err = BadPlatform;
    fn from_str(text: &str) -> Result<Platform, BadPlatform> {
        let is_word = |it: &str| {
            !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
        };
        let words: Vec<&str> = text.split('/').collect();
        let (os, arch, variant) = match words[..] {
            [os, arch] => (os, arch, None),
            [os, arch, variant] => (os, arch, Some(variant)),
            _ => return Err(BadPlatform { given: text.to_owned() }),
        };
        if words.iter().any(|it| !is_word(it)) {
            return Err(BadPlatform { given: text.to_owned() });
        }
        Ok(Platform {
            os: os.to_owned(),
            arch: arch.to_owned(),
            variant: variant.map(str::to_owned),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_keep_their_names() {
        for machine in ["x86_64", "aarch64", "armv8l", "armv7l", "armv6l", "i686", "riscv64"] {
            assert_eq!(Platform::from_machine("linux", machine).machine(), machine);
        }
    }

    #[test]
    fn platforms_are_read_as_they_are_written() {
        for text in ["linux/amd64", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "linux", "linux/", "linux/arm/v7/x", "li nux/arm"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
