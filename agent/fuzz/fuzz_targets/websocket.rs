//! A direction's bytes behind a handshake: the same is found whole and cut, memory is bounded, and a
//! hole never adds a message.
#![no_main]

use eaves::protocol::Head;
use eaves::protocol::websocket::{Extensions, Reader, Sample, Samples, To};
use libfuzzer_sys::fuzz_target;

/// What both are told of one direction.
fn run(
    to: To,
    extensions: Extensions,
    pieces: &[&[u8]],
) -> (Vec<Sample>, Option<u64>, Option<u16>) {
    let mut samples = Samples::new(2048, 2048);
    let mut reader = Reader::new(to, extensions);
    for (number, piece) in pieces.iter().enumerate() {
        reader.push(piece, number == 0, &mut samples);
        assert!(reader.held_bytes() < 200_000);
    }
    reader.end(&mut samples);
    let told = samples.take();
    let kept: usize = told.iter().map(|sample| sample.content.len()).sum();
    assert!(told.len() <= 16 && kept <= 2048);
    (told, reader.messages(), reader.close_code())
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[how, cut], bytes)) = bytes.split_first_chunk() else {
        return;
    };
    let to = if how & 1 == 0 { To::Server } else { To::Client };
    let mut extensions = Extensions::of(&Head::default());
    if how & 2 != 0 {
        extensions.deflate = Some(eaves::protocol::websocket::Deflate {
            client_no_context_takeover: how & 4 != 0,
            server_no_context_takeover: how & 8 != 0,
        });
    }
    let whole = run(to, extensions, &[bytes]);
    let (front, back) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let parts = run(to, extensions, &[front, back]);
    // What is sought begins where a transfer does, so only what is in step is the same.
    if whole.1.is_some() && parts.1.is_some() {
        assert_eq!(whole, parts);
    }
    let mut samples = Samples::new(2048, 2048);
    let mut reader = Reader::new(to, extensions);
    reader.push(front, true, &mut samples);
    reader.gap(u64::from(how) + 1, &mut samples);
    reader.push(back, true, &mut samples);
    assert!(reader.held_bytes() < 200_000);
});
