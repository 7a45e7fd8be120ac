//! What stand-ins for other people's programs do: a store, an app of several parts, a caller.
//!
//! The parts of the app share one program, and each is well once it has said so in [`WELL`].

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) const USAGE: &str = "
  store [--dir DIR] [--every MS]
                         say how many rows DIR holds, then add one every MS, 100 by default, each
                         on the disk before the next; DIR is what PGDATA says otherwise; polite
  posts | comments --port PORT
                         as http; polite
  bus --to HOST:PORT…    answer on port 4005 what those answer; polite
  migrate                show whose the secret db_password is, and end with 0
  --check                end with 0 if store, posts, comments or bus is well here, else with 1
  request URL --append PATH
                         call a web server, and add a line about its answer to a file";
const ROWS: &str = "rows";
const ROW_PERIOD_MS: &str = "100";
const SECRET: &str = "/run/secrets/db_password";
const WELL: &str = "/tmp/well";
const PORT_OF_BUS: u16 = 4005;

/// None for words that are nobody's role.
pub(crate) fn act(words: &[&str]) -> io::Result<Option<u8>> {
    match *words {
        ["store", ref flags @ ..] => store(flags)?,
        ["posts" | "comments", "--port", port] => {
            well()?;
            crate::serve(crate::number(port), crate::greeting)?;
        }
        ["bus", ref targets @ ..] => bus(targets)?,
        ["migrate"] => {
            writeln!(io::stdout(), "migrates with a password of {}", crate::stat(SECRET)?)?;
        }
        ["--check"] => return Ok(Some(u8::from(!std::fs::exists(WELL)?))),
        ["request", url, "--append", path] => request(url, path)?,
        _ => return Ok(None),
    }
    Ok(Some(0))
}

fn well() -> io::Result<()> {
    // An image of one file has no folders.
    std::fs::create_dir_all(Path::new(WELL).parent().unwrap_or(Path::new("/")))?;
    std::fs::write(WELL, [])
}

fn flag(flags: &[&str], name: &str) -> Option<String> {
    let at = flags.iter().position(|it| *it == name)?;
    flags.get(at + 1).map(|&it| it.to_owned())
}

fn store(flags: &[&str]) -> io::Result<()> {
    let folder = flag(flags, "--dir").or_else(|| std::env::var("PGDATA").ok());
    let folder = folder.ok_or_else(|| io::Error::other("no --dir and no PGDATA"))?;
    let every = flag(flags, "--every");
    let every = crate::milliseconds(every.as_deref().unwrap_or(ROW_PERIOD_MS));
    let (mut rows, mut count) = open(Path::new(&folder))?;
    writeln!(io::stdout(), "{count} rows")?;
    well()?;
    loop {
        count += 1;
        writeln!(rows, "row {count}")?;
        rows.sync_data()?;
        sleep(every);
    }
}

/// The file, and how many rows it has. What a power cut left of a row is none.
fn open(folder: &Path) -> io::Result<(File, usize)> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(ROWS);
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    File::open(folder)?.sync_all()?;
    let found = std::fs::read(&path)?;
    let whole = found.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
    file.set_len(whole as u64)?;
    Ok((file, found[..whole].iter().filter(|it| **it == b'\n').count()))
}

fn bus(words: &[&str]) -> io::Result<()> {
    let targets: Vec<String> =
        words.iter().filter(|it| **it != "--to").map(|&it| it.to_owned()).collect();
    well()?;
    crate::serve(PORT_OF_BUS, move || {
        let answer = |it: &String| match crate::fetch(it) {
            Ok(body) => format!("{it} {}\n", body.trim_end()),
            Err(error) => format!("{it} {error}\n"),
        };
        targets.iter().map(answer).collect()
    })
}

fn request(url: &str, path: &str) -> io::Result<()> {
    let began = Instant::now();
    let outcome = crate::fetch(url.trim_start_matches("http://"));
    let took: Duration = began.elapsed();
    let line = match outcome {
        Ok(body) => format!("{url} {} ms {}\n", took.as_millis(), body.trim_end()),
        Err(error) => format!("{url} {} ms {error}\n", took.as_millis()),
    };
    OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())
}
