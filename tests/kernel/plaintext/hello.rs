//! First bytes of handshakes of TLS, between sockets of this process: so many as are to be told, whatever reads and
//! writes they come in, and none of other conns.

use std::fs::File;
use std::io::{BufReader, IoSlice, Read, Write};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use eaves::capture::{Reader, Record, decode};
use eaves_common::{CLIENT_HELLO_BYTES, Flow, SERVER_HELLO_BYTES};
use eaves_tests::agent::{Agent, Mode, command};
use eaves_tests::process::Process;
use eaves_tests::sandbox::Sandbox;
use eaves_tests::wire::{connect, join, serve};

const CLIENT: &[u8] = include_bytes!("../../fixtures/tls/openssl-tls13.client");
const SERVER: &[u8] = include_bytes!("../../fixtures/tls/openssl-tls13.server");
/// A record of application data.
const APPLICATION: &[u8] = b"\x17\x03\x03\x00\x04data";

/// What is neither HTTP nor TLS.
const OTHER: &[u8] = b"\x00\x01something else";

/// Runs the test may take on a kernel that passes programs over.
const ROUNDS: usize = 3;

/// What one side writes by each call, buffer by buffer; the other side reads pieces of these lengths.
struct Side {
    writes: &'static [&'static [&'static [u8]]],
    reads: &'static [usize],
}

/// A conn, and what is told of it: flow, offset and length of each piece, of either end.
struct Case {
    client: Side,
    server: Side,
    told: &'static [(Flow, usize, usize)],
}

const LONG: &[u8] = &{
    let mut long = [0x5a; 6000];
    let head = *b"\x16\x03\x01\x17\x6b\x01\x00\x17\x67";
    let mut at = 0;
    while at < head.len() {
        long[at] = head[at];
        at += 1;
    }
    long
};

/// The client writes first, then the server, then the client again.
const CASES: &[Case] = &[
    // As OpenSSL reads: a record's header, then what is in it. Behind application data nothing is told.
    Case {
        client: Side {
            writes: &[&[CLIENT], &[APPLICATION]],
            reads: &[127, SERVER.len() - 127],
        },
        server: Side {
            writes: &[&[SERVER]],
            reads: &[5, CLIENT.len() - 5, APPLICATION.len()],
        },
        told: &[
            (Flow::Sent, 0, CLIENT.len()),
            (Flow::Received, 0, 5),
            (Flow::Received, 5, CLIENT.len() - 5),
            (Flow::Sent, 0, SERVER.len()),
            (Flow::Received, 0, 127),
            (Flow::Received, 127, SERVER.len() - 127),
        ],
    },
    // Of several buffers the first that is not empty; of what is long no more than the front.
    Case {
        client: Side {
            writes: &[&[b"", LONG], &[APPLICATION]],
            reads: &[SERVER.len()],
        },
        server: Side {
            writes: &[&[SERVER.split_at(100).0, SERVER.split_at(100).1]],
            reads: &[1000, LONG.len() - 1000, APPLICATION.len()],
        },
        told: &[
            (Flow::Sent, 0, CLIENT_HELLO_BYTES as usize),
            (Flow::Received, 0, 1000),
            (Flow::Received, 1000, CLIENT_HELLO_BYTES as usize - 1000),
            (Flow::Sent, 0, 100),
            (Flow::Received, 0, SERVER.len()),
        ],
    },
    // A long answer.
    Case {
        client: Side {
            writes: &[&[CLIENT], &[APPLICATION]],
            reads: &[LONG.len()],
        },
        server: Side {
            writes: &[&[LONG]],
            reads: &[CLIENT.len(), APPLICATION.len()],
        },
        told: &[
            (Flow::Sent, 0, CLIENT.len()),
            (Flow::Received, 0, CLIENT.len()),
            (Flow::Sent, 0, SERVER_HELLO_BYTES as usize),
            (Flow::Received, 0, SERVER_HELLO_BYTES as usize),
        ],
    },
    // Something else, and a session that is under way.
    Case {
        client: Side {
            writes: &[&[OTHER], &[CLIENT]],
            reads: &[SERVER.len()],
        },
        server: Side {
            writes: &[&[SERVER]],
            reads: &[OTHER.len(), CLIENT.len()],
        },
        told: &[],
    },
    Case {
        client: Side {
            writes: &[&[APPLICATION], &[CLIENT]],
            reads: &[SERVER.len()],
        },
        server: Side {
            writes: &[&[SERVER]],
            reads: &[APPLICATION.len(), CLIENT.len()],
        },
        told: &[],
    },
];

/// See the module.
pub(super) fn told(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    for round in 1..=ROUNDS {
        let found = heard(sandbox, mode, &format!("{round}.cap"));
        match found {
            Err(why) if round < ROUNDS => eprintln!("once more: {why:#}"),
            found => return found,
        }
    }
    Ok(())
}

fn heard(sandbox: &Sandbox, mode: Mode, name: &str) -> Result<()> {
    let file = sandbox.file(name);
    let path = file.to_str().context("path is not UTF-8")?;
    let roles = ["--role", "server", "--role", "client"];
    let record = command(
        ["record", "--mode", mode.name()]
            .into_iter()
            .chain(roles)
            .chain([path]),
    )?;
    let record = Process::start(sandbox, "recorder", record)?;
    let mut record = Agent::hearing(record, sandbox.file("nothing"))?;
    for case in CASES {
        converse(case)?;
    }
    record.process().stop()?;
    let mut expected: Vec<_> = CASES.iter().flat_map(|case| case.told).copied().collect();
    let mut found = recorded(&file)?;
    let key = |(flow, offset, len): &(Flow, usize, usize)| (*flow as u16, *offset, *len);
    expected.sort_by_key(key);
    found.sort_by_key(key);
    ensure!(found == expected, "{found:?}, and not {expected:?}");
    Ok(())
}

/// Each side writes and reads by single calls.
fn converse(case: &'static Case) -> Result<()> {
    let (port, thread) = serve(1, |mut stream| {
        let (before, behind) = case.server.reads.split_at(case.server.reads.len() - 1);
        read(&mut stream, before)?;
        write(&mut stream, case.server.writes)?;
        read(&mut stream, behind)
    })?;
    let mut stream = connect(port)?;
    let (first, rest) = case.client.writes.split_at(1);
    write(&mut stream, first)?;
    read(&mut stream, case.client.reads)?;
    write(&mut stream, rest)?;
    join(thread)
}

fn write(stream: &mut TcpStream, writes: &[&[&[u8]]]) -> Result<()> {
    for buffers in writes {
        let parts: Vec<_> = buffers.iter().map(|part| IoSlice::new(part)).collect();
        let sent = match buffers {
            [whole] => stream.write(whole)?,
            _ => stream.write_vectored(&parts)?,
        };
        let bytes: usize = buffers.iter().map(|part| part.len()).sum();
        ensure!(sent == bytes, "one call sent {sent} bytes only");
    }
    Ok(())
}

fn read(stream: &mut TcpStream, reads: &[usize]) -> Result<()> {
    for len in reads {
        let mut buffer = vec![0; *len];
        // All of it is there before it is read: one call.
        while stream.peek(&mut buffer)? < *len {
            std::thread::yield_now();
        }
        let got = stream.read(&mut buffer)?;
        ensure!(got == *len, "one call read {got} bytes only");
    }
    Ok(())
}

/// What a recording holds of first bytes that this process moved, which must be those that it moved.
fn recorded(file: &std::path::Path) -> Result<Vec<(Flow, usize, usize)>> {
    let mut reader = Reader::new(BufReader::new(File::open(file)?))?;
    let mut found = Vec::new();
    while let Some(record) = reader.next_record()? {
        let Record::Hello(hello) = decode(record)? else {
            continue;
        };
        if hello.tgid != std::process::id() {
            continue;
        }
        let from = hello.offset_bytes;
        let is_of =
            |whole: &[u8]| whole.get(from..from + hello.payload.len()) == Some(hello.payload);
        ensure!(
            [CLIENT, SERVER, LONG].into_iter().any(is_of),
            "bytes that nobody moved: {}",
            hello.payload.escape_ascii()
        );
        found.push((hello.flow, from, hello.payload.len()));
    }
    Ok(found)
}
