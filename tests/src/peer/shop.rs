//! A small API that trusts what it is sent, for attacks to succeed on: orders that anybody with a
//! token reads, files by any path, a search whose database answers with its error, a page that gives
//! back what it is told; commands, addresses and paths that it follows without a word. It binds to loopback alone.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

/// Longest body that is read.
const BODY_BYTES: u64 = 1 << 16;

/// The API, until the process ends.
#[derive(Debug)]
pub struct Shop {
    /// Where it listens.
    pub port: u16,
}

/// One request.
struct Request {
    method: String,
    path: String,
    query: String,
    token: bool,
    body: String,
}

impl Shop {
    /// Opens it; its files lie in `folder`.
    ///
    /// # Errors
    /// No port is free.
    pub fn open(folder: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folder = folder.clone();
                // A client that goes away is no fault of the shop.
                std::thread::spawn(move || serve(stream, &folder));
            }
        });
        Ok(Self { port })
    }
}

fn serve(stream: TcpStream, folder: &std::path::Path) -> Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let (status, media_type, body) = answer(&request, folder);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = reader.get_mut();
        stream.write_all(&[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        token: false,
        body: String::new(),
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        request.token |= line.starts_with("authorization:");
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse::<u64>()?.min(BODY_BYTES);
        }
    }
    reader.take(length).read_to_string(&mut request.body)?;
    Ok(Some(request))
}

fn answer(request: &Request, folder: &std::path::Path) -> (&'static str, &'static str, Vec<u8>) {
    let json = "application/json";
    let parameter = |name: &str| {
        let pairs = request.query.split('&');
        let value = pairs.filter_map(|pair| pair.split_once('='));
        let found = value.into_iter().find(|(own, _)| *own == name);
        decoded(found.map_or("", |(_, value)| value))
    };
    let path: Vec<&str> = request.path.split('/').skip(1).collect();
    match (request.method.as_str(), &path[..]) {
        ("POST", ["api", "login"]) => {
            if request.body.contains("\"correct horse\"") {
                ("200 OK", json, b"{\"ok\":true}".to_vec())
            } else {
                (
                    "401 Unauthorized",
                    json,
                    b"{\"error\":\"wrong password\"}".to_vec(),
                )
            }
        }
        // A form whose answer is no 401, as those of browsers are.
        ("POST", ["login"]) => (
            "403 Forbidden",
            json,
            b"{\"error\":\"wrong password\"}".to_vec(),
        ),
        ("GET", ["api", "orders", id]) if request.token && is_order(id) => {
            let body = format!("{{\"id\":\"{id}\",\"item\":\"lamp\"}}");
            ("200 OK", json, body.into_bytes())
        }
        ("GET", ["api", "files"]) => match fs::read(folder.join(parameter("name"))) {
            Ok(content) => ("200 OK", "text/plain", content),
            Err(_) => ("404 Not Found", json, b"{}".to_vec()),
        },
        ("GET", ["api", "search"]) if parameter("q").contains("' ") => (
            "500 Internal Server Error",
            "text/plain",
            b"You have an error in your SQL syntax; check the manual".to_vec(),
        ),
        ("GET", ["api", "search"]) => ("200 OK", json, b"[{\"item\":\"lamp\"}]".to_vec()),
        ("GET", ["page"]) => {
            let body = format!("<html><p>Hello {}</p></html>", parameter("name"));
            ("200 OK", "text/html", body.into_bytes())
        }
        ("GET", ["api", rest @ ..]) => (obey(rest, &parameter, folder), json, b"{}".to_vec()),
        _ => ("404 Not Found", json, b"{}".to_vec()),
    }
}

/// Does what it is told without a word; whether it could.
fn obey(
    path: &[&str],
    parameter: &dyn Fn(&str) -> String,
    folder: &std::path::Path,
) -> &'static str {
    let done = match path {
        ["ping"] => {
            // What it prints is nobody's business.
            let line = format!("test -n {}", parameter("host"));
            Command::new("/bin/sh").args(["-c", &line]).output().is_ok()
        }
        ["preview"] => {
            let url = parameter("url");
            TcpStream::connect(url.split('/').nth(2).unwrap_or("")).is_ok()
        }
        ["exists"] => fs::File::open(folder.join(parameter("name"))).is_ok(),
        // Takes nothing of what it is sent, and is busy with other things.
        ["careful", port] => {
            let port = port.parse::<u16>().unwrap_or(0);
            Command::new("/bin/sh").args(["-c", "id"]).output().is_ok()
                && TcpStream::connect(("127.0.0.1", port)).is_ok()
                && fs::read(folder.join("terms.txt")).is_ok()
        }
        _ => false,
    };
    if done { "200 OK" } else { "404 Not Found" }
}

/// Whether there is such an order: of numbers every fourth was taken.
fn is_order(id: &str) -> bool {
    id.parse::<u32>().map_or(true, |number| number % 4 == 0)
}

/// A value of a query without its escapes.
fn decoded(value: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|byte| byte.unwrap_or(b'0'));
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}
