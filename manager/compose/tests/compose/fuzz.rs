//! Examples, mutilated under a seed: never a panic, never more than so much of an answer, and what
//! loads all the same means the same when it is printed.

use crate::door::{FOLDER, Memory, request};
use crate::keys::BESIDE_EVERYTHING;
use crate::stacks::EXAMPLES;
use std::path::{Path, PathBuf};

const ROUNDS_DEFAULT: u64 = 2_000;
const LINE_CHARS_MAX: usize = 1_000;

/// What is strewn in: pieces that mean something to YAML, to compose files or to our readers.
const PIECES: &[&str] = &[
    "\n",
    "  ",
    "\t",
    ": ",
    "- ",
    "? ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "&a ",
    "*a",
    "<<: *a",
    "!reset ",
    "!override ",
    "!!str ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "\\",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "~",
    "null",
    "true",
    "${",
    "}",
    "$",
    "$$",
    "${A:-",
    "${A:?b}",
    ":-",
    "0",
    "-1",
    "99999999999999999999",
    "0x1f",
    "1e9",
    "0444",
    ".5",
    "1-65535",
    "80:80",
    "::1",
    "/",
    "./",
    "../",
    "~/",
    "é",
    "\u{feff}",
    "\u{0}",
    "\u{2028}",
    "services:",
    "extends: ",
    "include: ",
    "ports: ",
    "volumes: ",
    "environment: ",
    "env_file: ",
    "deploy: ",
    "networks: ",
    "x-a: ",
    "service:b",
    "\r\n",
    "@",
    "`",
    "=",
];

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}

fn mutate(chance: &mut Chance, text: &mut Vec<u8>, other: &[u8]) {
    let at = chance.below(text.len() + 1);
    let end = at + chance.below((text.len() - at).min(40) + 1);
    match chance.below(8) {
        0 => drop(text.drain(at..end)),
        1 => text.insert(at, chance.below(256) as u8),
        2 => {
            let copy = text[at..end].to_vec();
            let to = chance.below(text.len() + 1);
            text.splice(to..to, copy);
        }
        3 => {
            let begin = chance.below(other.len() + 1);
            let length = chance.below((other.len() - begin).min(200) + 1);
            text.splice(at..end, other[begin..begin + length].iter().copied());
        }
        4 => lines(chance, text),
        _ => {
            let piece = PIECES[chance.below(PIECES.len())];
            let until = if chance.below(2) == 0 { at } else { end };
            text.splice(at..until, piece.bytes());
        }
    }
}

/// Moves a line elsewhere, or changes its indentation.
fn lines(chance: &mut Chance, text: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = text.split(|it| *it == b'\n').map(<[u8]>::to_vec).collect();
    let from = chance.below(lines.len());
    match chance.below(3) {
        0 => {
            let line = lines.remove(from);
            let to = chance.below(lines.len() + 1);
            lines.insert(to, line);
        }
        1 => lines[from].insert(0, b' '),
        _ => {
            if lines[from].first() == Some(&b' ') {
                lines[from].remove(0);
            }
        }
    }
    *text = lines.join(&b'\n');
}

fn run(bytes: &[u8]) {
    let mut files = Memory::of(&EXAMPLES);
    files.0.extend(Memory::of(&BESIDE_EVERYTHING).0);
    files.0.insert(Path::new(FOLDER).join("compose.yml"), bytes.to_vec());
    let mut request = request(&["compose.yml"]);
    match compose::load(&request, &files) {
        Ok(loaded) => {
            request.files = vec![PathBuf::from("printed.yml")];
            request.stack = None;
            for printed in [loaded.render(), loaded.render_json()] {
                files.0.insert(Path::new(FOLDER).join("printed.yml"), printed.clone().into_bytes());
                match compose::load(&request, &files) {
                    Ok(again) => {
                        assert_eq!(again.project, loaded.project, "printed:\n{printed}");
                        // JSON has quotes where plain YAML needs none.
                        assert_eq!(again.render_json(), loaded.render_json());
                    }
                    Err(problems) => panic!("what was printed is refused: {problems}\n{printed}"),
                }
            }
        }
        Err(problems) => {
            let text = problems.to_string();
            assert!(text.lines().count() <= 21, "{text}");
            assert_eq!(text.lines().count(), problems.found.len() + problems.left_out.min(1));
            assert!(text.lines().all(|it| it.chars().count() <= LINE_CHARS_MAX), "{text}");
        }
    }
}

#[test]
fn mutilated_examples() {
    #[expect(clippy::disallowed_methods, reason = "the number of rounds is the caller's to choose")]
    let setting = |name| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let rounds = setting("SKEP_COMPOSE_FUZZ_ROUNDS").unwrap_or(ROUNDS_DEFAULT);
    let seed = setting("SKEP_COMPOSE_FUZZ_SEED").unwrap_or(1);
    let everything = ("everything.yml", include_str!("../everything.yml"));
    let originals: Vec<&str> = EXAMPLES
        .iter()
        .chain([&everything])
        .filter(|(name, _)| name.ends_with(".yml"))
        .map(|(_, text)| *text)
        .collect();
    for round in seed..seed + rounds {
        let mut chance = Chance(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut text = originals[chance.below(originals.len())].as_bytes().to_vec();
        let other = originals[chance.below(originals.len())].as_bytes();
        for _ in 0..=chance.below(6) {
            mutate(&mut chance, &mut text, other);
        }
        let outcome = std::panic::catch_unwind(|| run(&text));
        if outcome.is_err() {
            let text = String::from_utf8_lossy(&text).into_owned();
            panic!("SKEP_COMPOSE_FUZZ_SEED={round} fails with this file:\n{text}");
        }
    }
}
