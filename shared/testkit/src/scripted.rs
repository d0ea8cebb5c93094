//! An endpoint that answers as a test says: what services seldom answer, and emulators never.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use memchr::memmem;
use serde_json::Value;

/// Answers until the process ends.
#[derive(Debug)]
pub struct Scripted {
    /// Where clients find it: `http://HOST:PORT`.
    pub endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// What a client asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The request's line and its headers.
    pub head: String,
    /// What came behind them.
    pub body: Vec<u8>,
}

/// One answer of a script.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, further headers, and a body.
    Says(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The connection ends without an answer.
    HangUp,
}

impl Answer {
    /// The status 200 and a JSON document.
    pub fn json(body: &Value) -> Self {
        Self::Says(200, Vec::new(), body.to_string().into_bytes())
    }
}

impl Scripted {
    /// Answers the first request with the first of `answers`, and so on; the last one answers all the rest.
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let mut answers: VecDeque<_> = answers.into_iter().collect();
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                // A client that goes away before it has asked gets no answer, and uses none up.
                let Some(request) = read(&mut client) else { continue };
                seen.lock().unwrap().push(request);
                let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
                if let Some(Answer::Says(status, headers, body)) = answer {
                    // Who hung up meanwhile wants none.
                    client.write_all(&response(status, &headers, &body)).ok();
                }
            }
        });
        Self { endpoint, requests }
    }

    /// What was asked until now, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn read(client: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = memmem::find(&bytes, b"\r\n\r\n") {
            break end;
        }
        more(client, &mut bytes)?;
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut request = Request { head, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        more(client, &mut bytes)?;
    }
    request.body = bytes.split_off(head_end + 4);
    Some(request)
}

fn more(client: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 16 * 1024];
    let count = client.read(&mut buffer).ok().filter(|count| *count > 0)?;
    bytes.extend_from_slice(&buffer[..count]);
    Some(())
}

fn response(status: u16, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut head =
        format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}
