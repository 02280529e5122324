//! A direction's bytes behind a handshake: the same is found whole and cut, memory is bounded, and a
//! hole never adds a message.
#![no_main]

use eaves::protocol::Head;
use eaves::protocol::websocket::{Extensions, Late, Reader, Sample, Samples, To, Within};
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

/// Looks for frames in transfers of both flows, of the conn and of a stream: what is kept of them is bounded,
/// and of what is found one flow begins with a masked frame, the other with one that is not.
fn search(bytes: &[u8], cut: u8) {
    let (mut late, mut within) = (Late::default(), Within::default());
    for (number, piece) in bytes.chunks(usize::from(cut) + 1).enumerate() {
        let flow = number % 2;
        late.push(flow, number % 7 != 0, piece);
        assert!(late.bytes() < 400_000);
        if let Some(one) = within.push(1, flow, number % 7 != 0, piece) {
            let masked = one
                .kept
                .map(|kept| kept.front.get(1).is_some_and(|byte| byte & 0x80 != 0));
            assert_eq!(masked, [one.to_server == 0, one.to_server == 1]);
        }
        if number % 11 == 10 {
            late.gap(flow, Some(u64::from(cut)));
            within.gap(1, flow, None);
        }
    }
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
    search(bytes, cut);
});
