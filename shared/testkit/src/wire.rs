//! A relay before an endpoint that shows what clients asked and were charged, and can break connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use memchr::memmem;

/// What comes before the number of units in an answer of DynamoDB.
const CAPACITY_UNITS: &[u8] = b"\"CapacityUnits\":";

/// Relays until the process ends.
#[derive(Debug)]
pub struct Relay {
    /// Where clients find it: `http://HOST:PORT`.
    pub endpoint: String,
    traffic: Arc<Traffic>,
}

#[derive(Debug)]
struct Traffic {
    /// What was asked on each connection.
    asked: Mutex<Vec<Vec<u8>>>,
    /// What was answered on each connection.
    answered: Mutex<Vec<Vec<u8>>>,
    /// Both ends of each connection.
    open: Mutex<Vec<TcpStream>>,
    /// Bytes of answers before the connection that carries the next one is broken; `u64::MAX` for never.
    until_break: AtomicU64,
}

impl Relay {
    /// Stands before `endpoint`, an `http://HOST:PORT`.
    pub fn before(endpoint: &str) -> Self {
        let target = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let traffic = Arc::new(Traffic {
            asked: Mutex::default(),
            answered: Mutex::default(),
            open: Mutex::default(),
            until_break: AtomicU64::new(u64::MAX),
        });
        let shared = Arc::clone(&traffic);
        thread::spawn(move || {
            for client in listener.incoming() {
                connect(client.unwrap(), TcpStream::connect(&target).unwrap(), &shared);
            }
        });
        Self { endpoint, traffic }
    }

    /// How often `text` was in what clients sent.
    pub fn count(&self, text: &str) -> usize {
        let asked = self.traffic.asked.lock().unwrap();
        asked.iter().map(|sent| memmem::find_iter(sent, text).count()).sum()
    }

    /// The units of capacity that DynamoDB says it has charged, for the calls that asked it to.
    pub fn charged_units(&self) -> f64 {
        let answered = self.traffic.answered.lock().unwrap();
        let charges = answered.iter().flat_map(|received| {
            memmem::find_iter(received, CAPACITY_UNITS).map(|at| {
                let rest = &received[at + CAPACITY_UNITS.len()..];
                let end = rest.iter().position(|byte| matches!(byte, b',' | b'}')).unwrap_or(rest.len());
                str::from_utf8(&rest[..end]).unwrap().trim().parse::<f64>().unwrap()
            })
        });
        charges.sum()
    }

    /// Whether the connection was broken that [`Relay::break_after`] asked for.
    pub fn has_broken(&self) -> bool {
        self.traffic.until_break.load(Ordering::SeqCst) == u64::MAX
    }

    /// Closes every connection, as a peer does that has waited long enough while this process stood still.
    pub fn close_all(&self) {
        for end in self.traffic.open.lock().unwrap().drain(..) {
            // It may be closed already.
            end.shutdown(Shutdown::Both).ok();
        }
    }

    /// Lets so many bytes of answers pass and then breaks the connection, once.
    pub fn break_after(&self, bytes: u64) {
        self.traffic.until_break.store(bytes, Ordering::SeqCst);
    }
}

fn connect(client: TcpStream, server: TcpStream, traffic: &Arc<Traffic>) {
    let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    traffic.open.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
    let asking = Arc::clone(traffic);
    let number = open(&traffic.asked);
    let answers = open(&traffic.answered);
    thread::spawn(move || {
        copy(from_client, to_server, |bytes| {
            note(&asking.asked, number, bytes);
            true
        });
    });
    let answering = Arc::clone(traffic);
    thread::spawn(move || {
        copy(server, client, |bytes| {
            note(&answering.answered, answers, bytes);
            answering.may_pass(bytes.len() as u64)
        });
    });
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !may_pass(&buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // Either may be gone already.
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}

/// A new connection's number.
fn open(sides: &Mutex<Vec<Vec<u8>>>) -> usize {
    let mut sides = sides.lock().unwrap();
    sides.push(Vec::new());
    sides.len() - 1
}

fn note(sides: &Mutex<Vec<Vec<u8>>>, connection: usize, bytes: &[u8]) {
    sides.lock().unwrap()[connection].extend_from_slice(bytes);
}

impl Traffic {
    fn may_pass(&self, bytes: u64) -> bool {
        let left = self.until_break.load(Ordering::SeqCst);
        let (left, may_pass) = match left {
            u64::MAX => (u64::MAX, true),
            left if left < bytes => (u64::MAX, false),
            left => (left - bytes, true),
        };
        self.until_break.store(left, Ordering::SeqCst);
        may_pass
    }
}
