//! Many clients ask for all pages while shoppers write; prints how fast the answers came, and whether the sums are right.
//!
//! `cargo run --release -p gangline-statistics --features serve --example load -- [options]`
//!
//! | option | what | default |
//! | --- | --- | --- |
//! | `--clients N` | clients, each with a connection of its own | 64 |
//! | `--seconds S` | how long | 60 |
//! | `--data DIR` | folder of Olist's CSV files | the built-in sample |
//!
//! The store is a temporary one. The exit code is 1 if any answer was an error or a sum is wrong.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use gangline::Options;
use gangline_statistics::cli::ServeOptions;
use gangline_statistics::data::model::{ORDER_ITEMS, ORDERS, PLACED, TAKINGS};
use gangline_statistics::data::value::{Cents, Id};
use gangline_statistics::numbers::Numbers;
use gangline_statistics::{serve, store};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<ExitCode, Failure> {
    let (clients, seconds, data) = options()?;
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("load.gangline");
    let before = numbers_before(&place, data.as_deref())?;

    let options = ServeOptions { store: place.clone(), data, port: 0 };
    let (lines, said) = channel();
    let server = thread::spawn(move || serve::run(&options, &mut Lines { lines, line: Vec::new() }));
    let address =
        said.iter().find_map(|line| Some(line.strip_prefix("open http://")?.trim_end_matches('/').to_owned()));
    let address = address.ok_or("the server ended before it served")?;

    let mut first = Client::new(&address)?;
    let paths = paths(&mut first)?;
    let token = token(&mut first)?;
    act(&mut first, "start", &token)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let started = Instant::now();
    let workers: Vec<_> = (0..clients)
        .map(|number| {
            let (address, paths) = (address.clone(), paths.clone());
            thread::spawn(move || ask(&address, &paths, number, end))
        })
        .collect();
    let (mut times, mut errors) = (Vec::new(), Vec::new());
    for worker in workers {
        let (of_worker, failed) = worker.join().map_err(|_| "a client panicked")?;
        times.extend(of_worker);
        errors.extend(failed);
    }
    let took = started.elapsed();
    // The first connection was idle for longer than the server keeps one.
    act(&mut Client::new(&address)?, "stop", &token)?;
    // As a person would: the server closes the store and comes back.
    Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status()?;
    server.join().map_err(|_| "the server panicked")??;

    times.sort();
    let part = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len() - 1)).copied();
    let milliseconds = |time: Option<Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let right = sums_are_right(&place, &before)?;
    let mut out = io::stdout();
    writeln!(out, "requests {}\nerrors {}", times.len(), errors.len())?;
    writeln!(out, "requests_per_s {:.0}", times.len() as f64 / took.as_secs_f64())?;
    writeln!(out, "p50_ms {:.1}\np99_ms {:.1}", milliseconds(part(0.5)), milliseconds(part(0.99)))?;
    writeln!(out, "orders_placed {}\nsums {}", right.0, if right.1 { "right" } else { "wrong" })?;
    errors.iter().take(5).try_for_each(|error| writeln!(out, "error {error}"))?;
    Ok(if errors.is_empty() && right.1 && right.0 > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn options() -> Result<(usize, u64, Option<PathBuf>), Failure> {
    let (mut clients, mut seconds, mut data) = (64, 60, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--clients" => clients = value.parse()?,
            "--seconds" => seconds = value.parse()?,
            "--data" => data = Some(PathBuf::from(value)),
            _ => return Err(format!("there is no option {option}").into()),
        }
    }
    Ok((clients, seconds, data))
}

fn numbers_before(place: &Path, data: Option<&Path>) -> Result<Numbers, Failure> {
    let db = store::open(place, data, &mut io::sink(), &|_, _| ())?;
    let numbers = Numbers::compute(&db)?;
    db.close()?;
    Ok(numbers)
}

/// How many orders were placed; and whether they and nothing else were added, and the takings agree with their items.
fn sums_are_right(place: &Path, before: &Numbers) -> Result<(u64, bool), Failure> {
    let db = Options::new().create(false).open(place)?;
    let after = Numbers::compute(&db)?;
    let placed = db.query(ORDERS).select(|order| order.status == PLACED).project(|order| order.id).collect()?;
    let placed: HashSet<Id> = placed.into_iter().collect();
    let items = db.query(ORDER_ITEMS).select(|item| placed.contains(&item.order)).rows()?;
    let revenue: Cents = items.iter().map(|item| item.price).sum();
    let takings = db.query(TAKINGS).rows()?;
    let orders = placed.len() as u64;
    let right = after.orders == before.orders + orders
        && after.payments == before.payments + orders
        && after.items == before.items + items.len() as u64
        && after.revenue == before.revenue + revenue
        && takings.iter().map(|row| row.items).sum::<u64>() == items.len() as u64
        && takings.iter().map(|row| row.revenue).sum::<Cents>() == revenue;
    db.close()?;
    Ok((orders, right))
}

/// Hands on what is written to it, line by line.
struct Lines {
    lines: Sender<String>,
    line: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            match byte {
                // Nobody may be listening any more.
                b'\n' => _ = self.lines.send(String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned()),
                byte => self.line.push(*byte),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    fn new(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Client { stream: BufReader::new(stream), host: address.to_owned() })
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.host,
            body.len(),
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            } else if line.starts_with("http/1.1 ") {
                status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// All kinds of pages, and many of each.
fn paths(client: &mut Client) -> Result<Vec<String>, Failure> {
    let mut paths: Vec<String> = [
        "/",
        "/sellers",
        "/sellers?q=sao&sort=town&order=up&page=2",
        "/products",
        "/products?q=health",
        "/reviews",
        "/reviews?q=produto&score=5",
        "/live",
        "/style.css",
    ]
    .map(str::to_owned)
    .into();
    for list in ["/sellers", "/products"] {
        let page = client.ask("GET", list, "")?.1;
        let start = format!("href=\"{list}/");
        paths.extend(page.split(&start).skip(1).filter_map(|rest| Some(format!("{list}/{}", rest.split_once('"')?.0))));
    }
    Ok(paths)
}

fn token(client: &mut Client) -> Result<String, Failure> {
    let page = client.ask("GET", "/live", "")?.1;
    let rest = page.split_once("name=\"token\" value=\"").ok_or("no token on the live page")?.1;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

fn act(client: &mut Client, action: &str, token: &str) -> Result<(), Failure> {
    let (status, _) = client.ask("POST", &format!("/live/{action}"), &format!("token={token}"))?;
    if status == 303 { Ok(()) } else { Err(format!("{action}: status {status}").into()) }
}

/// Asks until the end: how long each answer took, and what failed.
fn ask(address: &str, paths: &[String], number: usize, end: Instant) -> (Vec<Duration>, Vec<String>) {
    let (mut times, mut errors) = (Vec::new(), Vec::new());
    let mut client = Client::new(address);
    let mut next = number * 7;
    while Instant::now() < end {
        let path = &paths[next % paths.len()];
        next += 1;
        let start = Instant::now();
        let answer = match &mut client {
            Ok(client) => client.ask("GET", path, ""),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        match answer {
            Ok((200, body)) if !body.is_empty() => times.push(start.elapsed()),
            Ok((status, _)) => errors.push(format!("{path}: status {status}")),
            Err(error) => {
                errors.push(format!("{path}: {error}"));
                client = Client::new(address);
            }
        }
    }
    (times, errors)
}
