//! Which machine code a node runs.

use serde::{Deserialize, Serialize};
use std::fmt;

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

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}
