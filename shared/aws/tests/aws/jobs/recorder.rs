//! What goes over the wire, as a proxy before the emulator sees it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const TARGET: &str = "x-amz-target: DynamoDB_20120810.";
const UNITS: &str = "\"CapacityUnits\":";

type Log = Arc<Mutex<Vec<u8>>>;

/// Passes on to an endpoint whatever is sent to its own.
pub(super) struct Recorder {
    pub(super) endpoint: String,
    sent: Log,
    received: Log,
}

impl Recorder {
    /// Starts a recorder before `endpoint`, `http://HOST:PORT`. It ends with the process.
    pub(super) fn before(endpoint: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = endpoint.trim_start_matches("http://").to_owned();
        let this = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            sent: Log::default(),
            received: Log::default(),
        };
        let (sent, received) = (Arc::clone(&this.sent), Arc::clone(&this.received));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&address).unwrap());
                pass(client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&sent));
                pass(server, client, Arc::clone(&received));
            }
        });
        this
    }

    /// The calls so far, in order, and the units that they were charged for.
    pub(super) fn take(&self) -> (Vec<String>, f64) {
        let (sent, received) = (take(&self.sent), take(&self.received));
        let calls = sent.split(TARGET).skip(1).map(|call| call.lines().next().unwrap_or_default().to_owned());
        let units = received.split(UNITS).skip(1).map(|rest| {
            let end = rest.find([',', '}']).unwrap();
            rest[..end].trim().parse::<f64>().unwrap()
        });
        (calls.collect(), units.sum())
    }
}

fn take(log: &Log) -> String {
    String::from_utf8(std::mem::take(&mut *log.lock().unwrap())).unwrap()
}

fn pass(mut from: TcpStream, mut to: TcpStream, log: Log) {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            log.lock().unwrap().extend_from_slice(&buffer[..length]);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // The other side may have gone first.
        to.shutdown(Shutdown::Write).ok();
    });
}
