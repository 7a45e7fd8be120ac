//! Test images without a registry and without an engine: archives as `docker save` writes them,
//! made here from bytes. Every test so knows what its image does and can have it with any name,
//! content or architecture.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::hosts::binary;

const BLOCK_BYTES: usize = 512;
const MODE_PROGRAM: u32 = 0o755;
const TYPE_FILE: u8 = b'0';
const TYPE_LINK: u8 = b'2';
/// Folders that programs expect; the engine makes the others when it mounts something there.
const TMP_DIRECTORY: &str = "tmp/";

/// An image to be: what `docker build` would be told in a Dockerfile.
#[derive(Clone, Debug)]
pub struct Image {
    reference: String,
    files: Vec<(String, Vec<u8>)>,
    links: Vec<(String, String)>,
    entrypoint: Vec<String>,
    command: Vec<String>,
    architecture: String,
}

impl Image {
    pub fn new(reference: &str) -> Image {
        assert!(reference.contains(':'), "say the tag, as the archive does: {reference}:latest");
        Image {
            reference: reference.to_owned(),
            files: Vec::new(),
            links: Vec::new(),
            entrypoint: Vec::new(),
            command: Vec::new(),
            architecture: own_architecture().to_owned(),
        }
    }

    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Image {
        self.files.push((path.trim_start_matches('/').to_owned(), bytes.into()));
        self
    }

    /// A second name for a file.
    pub fn link(mut self, path: &str, to: &str) -> Image {
        self.links.push((path.trim_start_matches('/').to_owned(), to.to_owned()));
        self
    }

    pub fn entrypoint(mut self, words: &[&str]) -> Image {
        self.entrypoint = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// What runs when the service names no command of its own.
    pub fn command(mut self, words: &[&str]) -> Image {
        self.command = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Claims to be for another machine, in Go's words: `arm64`, `arm`, `amd64`.
    pub fn architecture(mut self, name: &str) -> Image {
        name.clone_into(&mut self.architecture);
        self
    }

    /// The archive, ready for `docker load`. Equal images give equal bytes.
    pub fn archive(&self) -> Vec<u8> {
        let mut layer = Archive::default();
        layer.folder(TMP_DIRECTORY, 0o1777);
        for (path, bytes) in &self.files {
            layer.file(path, bytes);
        }
        for (path, to) in &self.links {
            layer.link(path, to);
        }
        let layer = layer.end();
        let layer_digest = digest(&layer);
        let config = json!({
            "architecture": self.architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": { "Entrypoint": self.entrypoint, "Cmd": self.command, "WorkingDir": "/" },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
            "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "skep's tests" }],
        })
        .to_string();
        let config_name = format!("{}.json", digest(config.as_bytes()));
        let layer_name = format!("{layer_digest}/layer.tar");
        let manifest = json!([
            { "Config": config_name, "RepoTags": [self.reference], "Layers": [layer_name] }
        ]);
        let mut archive = Archive::default();
        archive.file(&config_name, config.as_bytes());
        archive.file(&layer_name, &layer);
        archive.file("manifest.json", manifest.to_string().as_bytes());
        archive.end()
    }
}

/// An image with the program `testbox`, which acts as its arguments say. By default it sleeps. It
/// is its own shell, as health checks need one.
pub fn testbox(reference: &str) -> Image {
    testbox_at(reference, "/testbox").entrypoint(&["/testbox"]).command(&["sleep"])
}

/// The same program under the name of another, which it stands in for. It has no entrypoint.
pub fn testbox_at(reference: &str, path: &str) -> Image {
    let program = binary("testbox");
    let mut image = Image::new(reference).file(path, read(&program)).link("bin/sh", path);
    for library in libraries(&program) {
        image = image.file(&library, read(Path::new(&library)));
    }
    image
}

/// What a program needs beside itself, the loader included. Nothing if it was linked statically.
fn libraries(program: &Path) -> Vec<String> {
    let output = Command::new("ldd").arg(program).output().expect("ldd is part of the C library");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn own_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The few parts of the tar format that images need.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    fn folder(&mut self, path: &str, mode: u32) {
        self.header(path, mode, (0, b'5'), "");
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        self.header(path, MODE_PROGRAM, (bytes.len(), TYPE_FILE), "");
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    }

    fn link(&mut self, path: &str, to: &str) {
        self.header(path, MODE_PROGRAM, (0, TYPE_LINK), to);
    }

    /// Two empty blocks say that nothing follows.
    fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK_BYTES, 0);
        self.bytes
    }

    fn header(&mut self, path: &str, mode: u32, (length_bytes, kind): (usize, u8), to: &str) {
        assert!(path.len() < 100, "the oldest tar format holds short paths only: {path}");
        let mut block = [0_u8; BLOCK_BYTES];
        let mut put = |offset: usize, text: &str| {
            block[offset..offset + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, path);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{length_bytes:011o}"));
        put(136, "00000000000");
        // The sum is taken with blanks in its own place.
        put(148, "        ");
        put(157, to);
        put(257, "ustar\u{0}00");
        block[156] = kind;
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.bytes.extend_from_slice(&block);
    }
}
