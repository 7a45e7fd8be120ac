//! The one program of all test images: its arguments say how it is to behave.
//!
//! As a container's first process it is sent SIGTERM and gets no default handling from the kernel,
//! so a thread waits for the signal; what then happens is the difference between `sleep`,
//! `polite` and `deaf`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

#[path = "testbox/roles.rs"]
mod roles;

const USAGE: &str = "usage: testbox COMMAND
  sleep [SECONDS]        wait, for ever by default; SIGTERM ends it with 143
  polite [MS]            wait for SIGTERM, then MS more, then end with 0
  deaf                   wait for ever; SIGTERM changes nothing
  exit CODE [MS]         end with CODE, after MS
  http PORT [--page PATH | WORD…]
                         answer HOSTNAME/TASK/COUNT to every request, after what a file says;
                         other words are for whoever looks at the process; polite
  print TEXT [MS]        write TEXT and a number, once or every MS; polite
  stderr TEXT [MS]       the same on standard error
  env | hostname | user  show the environment, the name, the user's and group's number
  cat PATH               show a file
  stat PATH              show a file's permissions, owner and group, as in 444 0:0
  write PATH TEXT        write a file, then wait; polite
  exists PATH            end with 0 if there is such a file, else with 1
  touch PATH             make an empty file
  stamps FOLDER [MS]     write the time since the machine's start, in milliseconds, every 20 ms into
                         a file named after the host; MS more after SIGTERM
  remove PATH            remove a file
  memory MIB             use so much memory, then wait; polite
  get HOST:PORT[/PATH]   show what a web server answers
  reach ADDRESS:PORT     end with 0 if the host answers within a second, if only with a refusal
  -c COMMAND             the same, from one word: images have it for a shell";
const CODE_USAGE: u8 = 2;
/// What a shell reports for a program that SIGTERM ended.
const CODE_TERMINATED: u8 = 143;
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);
const STAMP_PERIOD: Duration = Duration::from_millis(20);
const PAGE_BYTES: usize = 4096;
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
const REACH_LIMIT: Duration = Duration::from_secs(1);

/// What SIGTERM does.
#[derive(Clone, Copy)]
enum OnTerm {
    End { code: u8, after: Duration },
    Nothing,
}

const POLITE: OnTerm = OnTerm::End { code: 0, after: Duration::ZERO };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let on_term = match words(&arguments)[..] {
        ["polite"] | ["http" | "print" | "stderr" | "write" | "memory", ..] => POLITE,
        ["store" | "posts" | "comments" | "bus", ..] => POLITE,
        ["polite", ms] | ["stamps", _, ms] => OnTerm::End { code: 0, after: milliseconds(ms) },
        ["deaf"] => OnTerm::Nothing,
        _ => OnTerm::End { code: CODE_TERMINATED, after: Duration::ZERO },
    };
    // Blocked signals are kept until somebody waits for them, even for a first process.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block().expect("a thread may block SIGTERM");
    // Each of the two threads sends once.
    let (ended, end) = sync_channel(2);
    let of_signal = ended.clone();
    std::thread::spawn(move || wait_for_signal(&signals, on_term, &of_signal));
    std::thread::spawn(move || {
        let code = act(&words(&arguments)).unwrap_or_else(|error| {
            report(&error.to_string());
            1
        });
        // The receiver is gone only when the program ends anyway.
        ended.send(code).ok();
    });
    ExitCode::from(end.recv().expect("one of the two threads decides"))
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn wait_for_signal(signals: &SigSet, on_term: OnTerm, ended: &SyncSender<u8>) {
    loop {
        signals.wait().expect("the set is not empty");
        match on_term {
            OnTerm::End { code, after } => {
                sleep(after);
                ended.send(code).ok();
            }
            OnTerm::Nothing => {}
        }
    }
}

fn act(words: &[&str]) -> io::Result<u8> {
    match *words {
        ["sleep", seconds] => sleep(milliseconds(seconds) * 1000),
        ["exit", code] => return Ok(number(code)),
        ["exit", code, ms] => {
            sleep(milliseconds(ms));
            return Ok(number(code));
        }
        ["http", port, "--page", path] => {
            let page = std::fs::read_to_string(path)?;
            serve(number(port), move || format!("{} {}", page.trim_end(), greeting()))?;
        }
        ["http", port, ..] => serve(number(port), greeting)?,
        ["print", text] => writeln!(io::stdout(), "{text}")?,
        ["stderr", text] => writeln!(io::stderr(), "{text}")?,
        ["print", text, ms] => repeat(io::stdout(), text, milliseconds(ms))?,
        ["stderr", text, ms] => repeat(io::stderr(), text, milliseconds(ms))?,
        ["env"] => {
            for (key, value) in std::env::vars() {
                writeln!(io::stdout(), "{key}={value}")?;
            }
        }
        ["hostname"] => writeln!(io::stdout(), "{}", hostname())?,
        ["user"] => {
            writeln!(io::stdout(), "{}:{}", nix::unistd::geteuid(), nix::unistd::getegid())?
        }
        ["cat", path] => io::stdout().write_all(&std::fs::read(path)?)?,
        ["stat", path] => writeln!(io::stdout(), "{}", stat(path)?)?,
        ["touch", path] => std::fs::write(path, [])?,
        ["stamps", folder, ..] => stamp(folder)?,
        ["remove", path] => std::fs::remove_file(path)?,
        ["exists", path] => return Ok(u8::from(!std::fs::exists(path)?)),
        ["write", path, text] => {
            std::fs::write(path, text)?;
            sleep(FOR_EVER);
        }
        ["memory", mebibytes] => use_memory(number(mebibytes)),
        ["get", address] => io::stdout().write_all(fetch(address)?.as_bytes())?,
        ["reach", address] => return Ok(u8::from(!reaches(address))),
        ["-c", line] => return act(&line.split_whitespace().collect::<Vec<_>>()),
        ["sleep"] | ["polite", ..] | ["deaf"] => sleep(FOR_EVER),
        _ => {
            let code = roles::act(words)?;
            if code.is_none() {
                report(&format!("{USAGE}{}", roles::USAGE));
            }
            return Ok(code.unwrap_or(CODE_USAGE));
        }
    }
    Ok(0)
}

fn repeat(mut to: impl Write, text: &str, every: Duration) -> io::Result<()> {
    for count in 1_u64.. {
        writeln!(to, "{text} {count}")?;
        sleep(every);
    }
    Ok(())
}

fn stamp(folder: &str) -> io::Result<()> {
    let mut file = std::fs::File::create(format!("{folder}/{}", hostname()))?;
    let clock = nix::time::ClockId::CLOCK_BOOTTIME;
    loop {
        writeln!(file, "{}", Duration::from(clock.now()?).as_millis())?;
        sleep(STAMP_PERIOD);
    }
}

/// Answers every request, for as long as the program runs.
fn serve(port: u16, body: impl Fn() -> String + Clone + Send + 'static) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    for stream in listener.incoming() {
        let (stream, body) = (stream?, body.clone());
        // A caller that breaks off harms nobody but itself.
        std::thread::spawn(move || answer(stream, &body));
    }
    Ok(())
}

/// Who answers, and how often it has done so.
fn greeting() -> String {
    static ANSWERED: AtomicU64 = AtomicU64::new(0);
    let count = ANSWERED.fetch_add(1, Ordering::Relaxed) + 1;
    let task = std::env::var("TASK").unwrap_or_else(|_| "-".to_owned());
    format!("{}/{task}/{count}\n", hostname())
}

fn answer(mut stream: TcpStream, body: &impl Fn() -> String) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    for line in BufReader::new(&stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let body = body();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// What a web server answers at `HOST:PORT[/PATH]`.
fn fetch(address: &str) -> io::Result<String> {
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (_, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.to_owned())
}

fn stat(path: &str) -> io::Result<String> {
    let found = std::fs::metadata(path)?;
    let (mode, uid, gid) = (found.mode() & 0o7777, found.uid(), found.gid());
    Ok(format!("{mode:o} {uid}:{gid}"))
}

fn reaches(address: &str) -> bool {
    let address = address.parse().expect("an address and a port");
    match TcpStream::connect_timeout(&address, REACH_LIMIT) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
    }
}

/// Writes to every page, for memory that is only reserved counts for nothing.
fn use_memory(mebibytes: usize) {
    let mut memory = vec![0_u8; mebibytes << 20];
    for page in memory.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
    }
    std::hint::black_box(&memory);
    sleep(FOR_EVER);
}

fn hostname() -> String {
    let name = nix::unistd::gethostname();
    name.map_or_else(|_| "?".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn milliseconds(word: &str) -> Duration {
    Duration::from_millis(number(word))
}

fn number<Number: std::str::FromStr>(word: &str) -> Number {
    word.parse().unwrap_or_else(|_| panic!("not a number that fits: {word:?}"))
}

fn report(text: &str) {
    // There is nobody left to tell if even this fails.
    writeln!(io::stderr(), "{text}").ok();
}
