use std::io::Write;

use super::{Decoded, Ended, decode};

/// Each coding by the library or tool that others use.
fn code(name: &str, plain: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match name {
        "gzip" => {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), level);
            to.write_all(plain).unwrap();
            to.finish().unwrap()
        }
        "zlib" => {
            let mut to = flate2::write::ZlibEncoder::new(Vec::new(), level);
            to.write_all(plain).unwrap();
            to.finish().unwrap()
        }
        "raw" => {
            let mut to = flate2::write::DeflateEncoder::new(Vec::new(), level);
            to.write_all(plain).unwrap();
            to.finish().unwrap()
        }
        "zstd" => zstd::encode_all(plain, 3).unwrap(),
        _ => panic!("{name}"),
    }
}

fn text(len: usize) -> Vec<u8> {
    let mut word = 1_u32;
    (0..len)
        .map(|_| {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"abcdefgh,:{}\" 01"[(word >> 28) as usize]
        })
        .collect()
}

#[track_caller]
fn check(field: &str, coded: &[u8], plain: &[u8]) {
    let whole = decode(field.as_bytes(), coded, 1 << 20).unwrap();
    let expected = Decoded {
        content: plain.to_vec(),
        ended: Ended::Whole,
        swells: false,
    };
    assert_eq!(whole, expected);
    let most = plain.len() / 3;
    let cut = decode(field.as_bytes(), coded, most).unwrap();
    assert_eq!((&*cut.content, cut.ended), (&plain[..most], Ended::Limit));
    for len in (0..coded.len()).step_by(1 + coded.len() / 50) {
        let part = decode(field.as_bytes(), &coded[..len], 1 << 20).unwrap();
        assert!(plain.starts_with(&part.content), "{field} cut at {len}");
        assert!(part.content.len() < plain.len() || part.ended != Ended::Broken);
    }
}

#[test]
fn each_coding_is_taken_off() {
    let plain = text(20_000);
    check("gzip", &code("gzip", &plain), &plain);
    check("X-GZIP", &code("gzip", &plain), &plain);
    check("deflate", &code("zlib", &plain), &plain);
    check("deflate", &code("raw", &plain), &plain);
    check("zstd", &code("zstd", &plain), &plain);
    let twice = code("gzip", &code("zstd", &plain));
    check("zstd, gzip", &twice, &plain);
    check("identity, gzip", &code("gzip", &plain), &plain);
}

#[test]
fn what_the_tools_write_is_read() {
    let plain: &[u8] = include_bytes!("../../../../tests/fixtures/coding/plain.json");
    for (field, coded) in [
        (
            "gzip",
            &include_bytes!("../../../../tests/fixtures/coding/plain.json.gz")[..],
        ),
        (
            "br",
            include_bytes!("../../../../tests/fixtures/coding/plain.json.br"),
        ),
        (
            "zstd",
            include_bytes!("../../../../tests/fixtures/coding/plain.json.zst"),
        ),
    ] {
        check(field, coded, plain);
    }
}

#[test]
fn most_of_what_was_cut_is_still_read() {
    let plain = text(20_000);
    for (field, name) in [("gzip", "gzip"), ("deflate", "zlib"), ("deflate", "raw")] {
        let coded = code(name, &plain);
        let part = decode(field.as_bytes(), &coded[..coded.len() / 2], 1 << 20).unwrap();
        assert_eq!(part.ended, Ended::Short, "{name}");
        assert!(part.content.len() > plain.len() / 3, "{name}");
    }
}

#[test]
fn a_bomb_is_cut_and_told() {
    let zeros = vec![0; 40 << 20];
    let names = ["gzip", "zlib", "raw", "zstd"];
    for (field, name) in ["gzip", "deflate", "deflate", "zstd"]
        .into_iter()
        .zip(names)
    {
        let bomb = code(name, &zeros);
        // However much of it was kept.
        for kept in [2000, 16_384, usize::MAX] {
            let kept = &bomb[..bomb.len().min(kept)];
            let decoded = decode(field.as_bytes(), kept, 16_384).unwrap();
            let found = (decoded.content.len(), decoded.swells, decoded.ended);
            assert_eq!(found, (16_384, true, Ended::Limit), "{name}");
        }
    }
}

#[test]
fn a_long_text_is_no_bomb() {
    let line = |n: usize| format!("{{\"id\": {n}, \"hash\": \"{:x}\"}}\n", n * n * 7919);
    let text: String = (0..40_000).map(line).collect();
    for name in ["gzip", "zstd"] {
        let decoded = decode(name.as_bytes(), &code(name, text.as_bytes()), 16_384).unwrap();
        let found = (decoded.content.len(), decoded.swells, decoded.ended);
        assert_eq!(found, (16_384, false, Ended::Limit), "{name}");
    }
}

#[test]
fn what_is_not_coded_so_is_broken_and_what_is_not_known_left_alone() {
    let decoded = decode(b"gzip", b"{\"a\": 1, \"b\": 2, \"c\": 3}", 100).unwrap();
    assert_eq!((decoded.ended, decoded.content.len()), (Ended::Broken, 0));
    assert_eq!(decode(b"zstd", &[7; 40], 100).unwrap().ended, Ended::Broken);
    for field in [
        "identity",
        "",
        "compress",
        "gzip, exi",
        "gzip,gzip,gzip,gzip,gzip",
    ] {
        assert_eq!(decode(field.as_bytes(), b"abc", 100), None, "{field}");
    }
}
