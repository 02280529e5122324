//! Small databases, written here byte by byte, and what is read of them.

use std::net::IpAddr;
use std::path::Path;

use super::{Atlas, Geo, GeoFiles, GeoTable, Location, Watched, Which};

/// A value of the MaxMind DB format 2.0.
enum Value {
    Text(&'static str),
    Double(f64),
    Float(f32),
    I32(i32),
    U16(u16),
    U32(u32),
    U64(u64),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
}

impl Value {
    /// Appends control byte and payload.
    fn write(&self, out: &mut Vec<u8>) {
        let control = |out: &mut Vec<u8>, kind: u8, size: usize| {
            let (short, more) = if size < 29 {
                (size as u8, None)
            } else {
                (29, Some((size - 29) as u8))
            };
            if kind < 8 {
                out.push(kind << 5 | short);
            } else {
                out.extend([short, kind - 7]);
            }
            out.extend(more);
        };
        match self {
            Self::Text(text) => {
                control(out, 2, text.len());
                out.extend(text.as_bytes());
            }
            Self::Double(number) => {
                control(out, 3, 8);
                out.extend(number.to_be_bytes());
            }
            Self::Float(number) => {
                control(out, 15, 4);
                out.extend(number.to_be_bytes());
            }
            Self::I32(number) => {
                control(out, 8, 4);
                out.extend(number.to_be_bytes());
            }
            Self::U16(number) => {
                control(out, 5, 2);
                out.extend(number.to_be_bytes());
            }
            Self::U32(number) => {
                control(out, 6, 4);
                out.extend(number.to_be_bytes());
            }
            Self::U64(number) => {
                control(out, 9, 8);
                out.extend(number.to_be_bytes());
            }
            Self::Map(fields) => {
                control(out, 7, fields.len());
                for (name, value) in fields {
                    Self::Text(name).write(out);
                    value.write(out);
                }
            }
            Self::List(values) => {
                control(out, 11, values.len());
                values.iter().for_each(|value| value.write(out));
            }
        }
    }
}

/// A database of IPv6, IPv4 at `::/96`, with records of 24 bits.
fn database(kind: &'static str, networks: &[(&str, u32, Value)]) -> Vec<u8> {
    const EMPTY: u32 = u32::MAX;
    const DATA: u32 = 1 << 31;
    let mut nodes: Vec<[u32; 2]> = vec![[EMPTY; 2]];
    let mut data = Vec::new();
    for (address, prefix, value) in networks {
        let (bits, prefix) = match address.parse().unwrap() {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()), prefix + 96),
            IpAddr::V6(ip) => (ip.to_bits(), *prefix),
        };
        let offset = data.len() as u32;
        value.write(&mut data);
        let mut node = 0;
        for bit in 0..prefix {
            let side = (bits >> (127 - bit)) as usize & 1;
            if bit + 1 == prefix {
                nodes[node][side] = DATA | offset;
            } else if nodes[node][side] == EMPTY {
                nodes.push([EMPTY; 2]);
                nodes[node][side] = nodes.len() as u32 - 1;
                node = nodes.len() - 1;
            } else {
                node = nodes[node][side] as usize;
            }
        }
    }
    let count = nodes.len() as u32;
    let mut out = Vec::new();
    for record in nodes.into_iter().flatten() {
        let number = match record {
            EMPTY => count,
            data if data & DATA != 0 => count + 16 + (data & !DATA),
            node => node,
        };
        out.extend(&number.to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let text = |text| Value::Map(vec![("en", Value::Text(text))]);
    Value::Map(vec![
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(1_700_000_000)),
        ("database_type", Value::Text(kind)),
        ("description", text("made for tests")),
        ("ip_version", Value::U16(6)),
        ("languages", Value::List(vec![Value::Text("en")])),
        ("node_count", Value::U32(count)),
        ("record_size", Value::U16(24)),
    ])
    .write(&mut out);
    out
}

fn country(code: &'static str) -> Value {
    Value::Map(vec![("iso_code", Value::Text(code))])
}

fn cities() -> Vec<u8> {
    let location = |latitude, longitude| {
        let fields = vec![
            ("latitude", Value::Double(latitude)),
            ("longitude", Value::Double(longitude)),
        ];
        ("location", Value::Map(fields))
    };
    database(
        "Test-City",
        &[
            (
                "203.0.113.0",
                24,
                Value::Map(vec![("country", country("DE")), location(52.52, 13.405)]),
            ),
            (
                "198.51.100.0",
                25,
                Value::Map(vec![("registered_country", country("BR"))]),
            ),
            (
                "2001:db8::",
                32,
                Value::Map(vec![("country", country("NZ")), location(-41.29, 174.78)]),
            ),
            (
                "192.0.2.0",
                24,
                Value::Map(vec![
                    ("country", country("x\u{1b}")),
                    location(400.0, f64::NAN),
                ]),
            ),
            (
                "127.0.0.1",
                32,
                Value::Map(vec![("country", country("AQ")), location(-90.0, 0.0)]),
            ),
        ],
    )
}

fn networks() -> Vec<u8> {
    let network = |number, name| {
        Value::Map(vec![
            ("autonomous_system_number", Value::U32(number)),
            ("autonomous_system_organization", Value::Text(name)),
        ])
    };
    database(
        "Test-ASN",
        &[
            ("203.0.113.0", 24, network(64_500, "Example Net")),
            ("2001:db8::", 48, network(4_200_000_001, "Ex\u{e4}mple")),
            ("127.0.0.0", 8, network(64_496, "Loopback")),
        ],
    )
}

#[track_caller]
fn check(ip: &str, code: &str, location: Option<[i32; 2]>, network: Option<(u32, &str)>) {
    let tables = [cities(), networks()].map(|bytes| GeoTable::new(bytes).unwrap());
    let mut geo = Geo::default();
    for table in &tables {
        table.add(ip.parse().unwrap(), &mut geo);
    }
    let expected = Geo {
        country: Some(code.to_owned()).filter(|code| !code.is_empty()),
        location: location.map(Location),
        as_number: network.map(|(number, _)| number),
        as_name: network.map(|(_, name)| name.to_owned()),
    };
    assert_eq!(geo, expected, "{ip}");
}

#[test]
fn what_the_databases_say_is_told() {
    let net = Some((64_500, "Example Net"));
    check("203.0.113.7", "DE", Some([525_200, 134_050]), net);
    check("::ffff:203.0.113.7", "", None, None);
    check("198.51.100.1", "BR", None, None);
    check("198.51.100.200", "", None, None);
    let place = Some([-412_900, 1_747_800]);
    check(
        "2001:db8::1",
        "NZ",
        place,
        Some((4_200_000_001, "Ex\u{e4}mple")),
    );
    check("2001:db8:1::1", "NZ", place, None);
    check("10.0.0.1", "", None, None);
}

#[test]
fn numbers_may_be_of_any_type() {
    let at = |latitude, longitude| {
        Value::Map(vec![
            ("country", country("DE")),
            (
                "location",
                Value::Map(vec![("latitude", latitude), ("longitude", longitude)]),
            ),
        ])
    };
    let of = |number| Value::Map(vec![("autonomous_system_number", number)]);
    let cases = [
        (
            at(Value::Float(52.5), Value::Double(13.5)),
            [525_000, 135_000],
        ),
        (at(Value::I32(-41), Value::U16(174)), [-410_000, 1_740_000]),
        (at(Value::U32(41), Value::U64(17)), [410_000, 170_000]),
    ];
    for (value, degrees) in cases {
        let geo = of_all("203.0.113.7", value);
        assert_eq!(geo.country.as_deref(), Some("DE"));
        assert_eq!(geo.location, Some(Location(degrees)));
    }
    for value in [
        Value::U16(64_500),
        Value::U32(64_500),
        Value::U64(64_500),
        Value::I32(64_500),
    ] {
        assert_eq!(of_all("203.0.113.7", of(value)).as_number, Some(64_500));
    }
    for value in [
        Value::I32(-1),
        Value::Double(0.5),
        Value::U64(1 << 32),
        Value::Text("AS64500"),
        Value::List(Vec::new()),
    ] {
        assert_eq!(of_all("203.0.113.7", of(value)), Geo::default());
    }
}

/// What a database says of `ip` that has `value` for all of its network.
fn of_all(ip: &str, value: Value) -> Geo {
    let table = GeoTable::new(database("Any", &[("203.0.113.0", 24, value)])).unwrap();
    let mut geo = Geo::default();
    table.add(ip.parse().unwrap(), &mut geo);
    geo
}

#[test]
fn nonsense_is_left_out() {
    check("192.0.2.1", "", None, None);
}

#[test]
fn a_damaged_file_is_refused_or_read_without_harm() {
    let whole = cities();
    for end in 0..whole.len() {
        if let Ok(table) = GeoTable::new(whole[..end].to_vec()) {
            table.add("203.0.113.7".parse().unwrap(), &mut Geo::default());
        }
    }
    assert!(GeoTable::new(whole[..whole.len() / 2].to_vec()).is_err());
    assert!(GeoTable::new(Vec::new()).is_err());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        if let Ok(table) = GeoTable::new(bytes) {
            for ip in ["203.0.113.7", "2001:db8::1", "0.0.0.0", "::"] {
                table.add(ip.parse().unwrap(), &mut Geo::default());
            }
        }
    }
}

#[test]
fn the_fixtures_are_these_databases() {
    for (name, bytes) in [("city.mmdb", cities()), ("asn.mmdb", networks())] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lookup");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(folder.join(name), &bytes).unwrap();
        }
        assert!(std::fs::read(folder.join(name)).unwrap() == bytes, "{name}");
    }
}

#[test]
fn a_file_is_read_again_when_it_changed_and_told_once_when_it_is_bad() {
    let path = std::env::temp_dir().join(format!("eaves-geo-{}.mmdb", std::process::id()));
    let mut file = Watched::new(Which::City, path.clone());
    let missing = file.changed().unwrap().unwrap_err().to_string();
    assert!(missing.ends_with("cannot be read"), "{missing}");
    assert!(file.changed().is_none());
    std::fs::write(&path, b"no database").unwrap();
    let damaged = file.changed().unwrap().unwrap_err().to_string();
    assert!(damaged.contains("is damaged"), "{damaged}");
    assert!(file.changed().is_none());
    std::fs::write(&path, cities()).unwrap();
    assert!(file.changed().unwrap().is_ok());
    assert!(file.changed().is_none());
    std::fs::remove_file(&path).unwrap();
    assert!(file.changed().unwrap().is_err());
}

#[test]
fn an_atlas_answers_from_both_files_and_remembers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lookup");
    let files = GeoFiles {
        city: Some(folder.join("city.mmdb")),
        asn: Some(folder.join("asn.mmdb")),
    };
    assert!(Atlas::start(&GeoFiles::default()).unwrap().is_none());
    let mut atlas = Atlas::start(&files).unwrap().unwrap();
    // Both come before anything else does.
    for _ in 0..2 {
        let read = atlas.read.recv().unwrap();
        atlas.put(read);
    }
    let ip = "203.0.113.7".parse().unwrap();
    let geo = atlas.of(ip).unwrap();
    assert_eq!(geo.country.as_deref(), Some("DE"));
    assert_eq!(geo.as_number, Some(64_500));
    assert!(std::sync::Arc::ptr_eq(&geo, &atlas.of(ip).unwrap()));
    assert_eq!(atlas.of("10.0.0.1".parse().unwrap()), None);
}
