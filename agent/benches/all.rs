//! All benches, in one program that is linked once.
//!
//! `cargo bench -p eaves --bench all -- NAME WORD…` runs one bench, and of its steps those with a word in
//! their names; without a name all are run.

#![expect(clippy::expect_used, reason = "benches, run by hand")]

mod bodies;
mod detect;
mod event;
mod events;
mod exchange;
mod filter;
mod host;
mod journal;
mod kept;
mod measure;
mod modern;
mod peer;
mod pipeline;
mod protocol;
mod query;
mod sink;
mod stream;
mod traffic;

/// The benches by their names, in the order they are run in.
const BENCHES: [(&str, fn()); 11] = [
    ("protocol", protocol::main),
    ("modern", modern::main),
    ("stream", stream::main),
    ("pipeline", pipeline::main),
    ("host", host::main),
    ("event", event::main),
    ("journal", journal::main),
    ("filter", filter::main),
    ("detect", || detect::main().expect("the rows")),
    ("query", query::main),
    ("sink", sink::main),
];

fn main() {
    if std::env::args().any(|word| word == "--list") {
        BENCHES.iter().for_each(|(name, _)| println!("{name}"));
        return;
    }
    let (asked, _) = asked();
    for (name, bench) in BENCHES {
        if asked.as_deref().is_none_or(|asked| asked == name) {
            println!("\n{name}");
            bench();
        }
    }
}

/// The bench that the command line names, and the words behind; without options, of which Cargo adds some.
fn asked() -> (Option<String>, Vec<String>) {
    let words = std::env::args().skip(1);
    let mut words = words.filter(|word| !word.starts_with("--")).peekable();
    let named = words.next_if(|first| BENCHES.iter().any(|(name, _)| name == first));
    (named, words.collect())
}
