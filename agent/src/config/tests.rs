use super::load::load_with;
use super::{Capture, Config, ConfigError, Kind, Mode, Period, Role, SinkKind, Size, load, parse};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the files with mistakes lie, each `NAME.yaml` with `NAME.txt`, the report on it.
fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/config")
}

#[test]
fn every_mistake_of_every_broken_file_is_told_at_its_place() {
    let mut files = 0;
    for entry in fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        files += 1;
        let report = match load(Some(&path)) {
            Err(ConfigError::Mistakes(report)) => report.to_string(),
            other => panic!("{}: {other:?}", path.display()),
        };
        let name = path.file_name().unwrap().to_str().unwrap();
        let report = report.replace(path.to_str().unwrap(), name) + "\n";
        assert!(!report.contains("hunter2"), "{name} shows a secret");
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &report).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(report, expected, "{name}");
    }
    assert!(files >= 50, "only {files} files");
}

#[test]
fn an_empty_file_is_the_default() {
    for text in [
        "",
        "# nothing\n",
        "capture:\nlimits:\n",
        "{}",
        "capture: {}\n",
    ] {
        assert_eq!(parse(text), Ok(Config::default()), "{text:?}");
    }
}

#[test]
fn every_key_is_read() {
    let config = parse(
        "
capture:
  mode: syscall
  roles: [client, server]
  exclude: { ports: [22, 65535], processes: [sshd], cgroups: [/system.slice/ssh.service] }
  body: { request: 0, response: 1MiB }
  ring: 1048576
  copy_per_call: 4KiB
limits:
  memory: 1GiB
  connections: 1000
  connection: 256KiB
  idle: 90
  forget: 1m30s
  head: 8KiB
  fields: 64
sinks:
  out: { stdout: , events: [notice] }
  log:
    file: { path: /var/log/eaves.jsonl, rotate_bytes: 1GiB, rotate_age: 1d, keep: 3 }
",
    )
    .unwrap();
    assert_eq!(config.capture.mode, Mode::Syscall);
    assert_eq!(config.capture.roles, [Role::Client, Role::Server]);
    assert_eq!(config.capture.exclude.ports, [22, 65_535]);
    assert_eq!(config.capture.exclude.processes, ["sshd"]);
    assert_eq!(
        config.capture.exclude.cgroups,
        ["/system.slice/ssh.service"]
    );
    assert_eq!(config.capture.body.request, Size(0));
    assert_eq!(config.capture.body.response, Size::mebi(1));
    assert_eq!(config.capture.ring, Size::mebi(1));
    assert_eq!(config.capture.copy_per_call, Size::kibi(4));
    assert_eq!(config.limits.memory, Size::mebi(1024));
    assert_eq!(config.limits.connections, 1000);
    assert_eq!(config.limits.connection, Size::kibi(256));
    assert_eq!(config.limits.idle, Period::seconds(90));
    assert_eq!(config.limits.forget, Period::seconds(90));
    assert_eq!(config.limits.head, Size::kibi(8));
    assert_eq!(config.limits.fields, 64);
    assert_eq!(config.sinks["out"].kinds(), [Kind::Notice]);
    let all = [Kind::Exchange, Kind::Finding, Kind::Notice];
    assert_eq!(config.sinks["log"].kinds(), all);
    let Some(SinkKind::File(file)) = config.sinks["log"].kind() else {
        panic!("{:?}", config.sinks);
    };
    assert_eq!(file.path, Path::new("/var/log/eaves.jsonl"));
    assert_eq!(file.rotate_bytes, Some(Size::mebi(1024)));
    assert_eq!(file.rotate_age, Some(Period::minutes(24 * 60)));
    assert_eq!(file.keep, 3);

    assert_eq!(parse(&config.to_yaml()), Ok(config));
}

#[test]
fn a_key_of_one_section_leaves_the_others_default() {
    let config = parse("capture: { mode: socket }").unwrap();
    let expected = Config {
        capture: Capture {
            mode: Mode::Socket,
            ..Capture::default()
        },
        ..Config::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn rooms_get_what_the_file_says() {
    let config = parse(
        "
capture: { body: { request: 1KiB, response: 2KiB }, ring: 16MiB }
limits: { memory: 64MiB, cpu: 0.25, connections: 99, connection: 512KiB, idle: 2s, forget: 1h, head: 4KiB, fields: 77 }
",
    )
    .unwrap();
    let (stream, exchange) = (config.stream(), config.exchange().unwrap());
    assert_eq!((stream.conns, stream.conn_bytes), (99, 512 * 1024));
    // 24 MiB are left.
    assert_eq!((stream.bytes, config.queue_bytes()), (15 << 20, 6 << 20));
    assert_eq!(
        (stream.idle_ns, stream.forget_ns),
        (2_000_000_000, 3_600_000_000_000)
    );
    assert_eq!(exchange.request_body_bytes, 1024);
    assert_eq!(exchange.response_body_bytes, 2048);
    assert_eq!(exchange.limits.head_bytes, 4096);
    assert_eq!(exchange.limits.fields, 77);
    assert_eq!(config.limits.cpu.thousandths(), 250);
}

#[test]
fn what_is_wrong_with_a_descriptor_file_is_said() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/grpc");
    let said = |names: &[&str]| {
        let mut config = Config::default();
        config.identity.protobuf = names.iter().map(|name| fixtures.join(name)).collect();
        config
            .exchange()
            .map(|_| ())
            .map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    };
    assert_eq!(said(&["shop.pb"]), Ok(()));
    let path = |name| fixtures.join(name).display().to_string();
    let why = "is no descriptor file, as `protoc --descriptor_set_out` writes them";
    assert_eq!(
        said(&["shop.pb", "shop.proto"]),
        Err(format!("identity.protobuf: {}: {why}", path("shop.proto")))
    );
    let why = std::io::Error::from_raw_os_error(2);
    assert_eq!(
        said(&["none.pb"]),
        Err(format!("identity.protobuf: {}: {why}", path("none.pb")))
    );
}

#[test]
fn defaults_of_the_rooms_are_those_of_the_file() {
    let config = Config::default();
    let (stream, exchange) = (config.stream(), config.exchange().unwrap());
    let clients = false;
    let default = crate::exchange::Options::default();
    assert_eq!(exchange, crate::exchange::Options { clients, ..default });
    let default = crate::stream::Options::default();
    let bytes = stream.bytes;
    assert_eq!(stream, crate::stream::Options { bytes, ..default });
}

#[test]
fn what_show_prints_is_read_again() {
    let yaml = Config::default().to_yaml();
    assert_eq!(parse(&yaml), Ok(Config::default()));
}

#[test]
fn aliases_stand_for_what_they_name() {
    let config = parse("capture: { body: { request: &n 1KiB, response: *n } }").unwrap();
    assert_eq!(config.capture.body.response, Size::kibi(1));
}

#[test]
fn files_that_are_none_are_refused_in_words() {
    let folder = std::env::temp_dir().join(format!("eaves-config-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let check = |name: &str, content: &[u8], expected: &str| {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        let error = load(Some(&path)).unwrap_err().to_string();
        let error = error.replace(path.to_str().unwrap(), "FILE");
        assert_eq!(error, expected);
    };
    check(
        "bytes",
        b"a: 1\nb: \xff\n",
        "configuration file FILE is not UTF-8: byte 8, on line 2, is 0xff",
    );
    check(
        "large",
        &vec![b'#'; (1 << 20) + 1],
        "configuration file FILE has 1048577 bytes; allowed: up to 1048576",
    );
    let error = load(Some(&folder)).unwrap_err();
    assert!(matches!(error, ConfigError::NotFile { .. }), "{error}");
    let error = load(Some(&folder.join("none"))).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }), "{error}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn hostile_yaml_is_refused_within_bounds() {
    let deep = "[".repeat(100_000);
    let bomb: String = (1..30)
        .map(|n| {
            format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{}", n - 1); 9].join(",")
            )
        })
        .collect();
    let bomb = format!("a0: &a0 [x,x,x]\n{bomb}");
    for text in [&deep, &bomb] {
        assert_eq!(parse(text).unwrap_err().count(), 1);
    }
    let many: String = (0..5000).map(|n| format!("key{n}: 1\n")).collect();
    let mistakes = parse(&many).unwrap_err();
    assert_eq!((mistakes.told.len(), mistakes.count()), (100, 5000));
}

#[test]
fn the_check_knows_every_word_of_the_schema() {
    const KNOWN: &[&str] = &[
        "$defs",
        "$ref",
        "$schema",
        "additionalProperties",
        "anyOf",
        "const",
        "default",
        "description",
        "format",
        "items",
        "maxItems",
        "maxProperties",
        "maximum",
        "minItems",
        "minProperties",
        "minimum",
        "oneOf",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "uniqueItems",
        "x-check",
        "x-check-items",
        "x-check-keys",
        "x-exactly-one",
        "x-max",
        "x-min",
        "x-secret",
        "x-word",
        "x-words",
    ];
    fn look(schema: &serde_json::Value) {
        for (key, below) in schema.as_object().into_iter().flatten() {
            assert!(KNOWN.contains(&key.as_str()), "{key}");
            match (key.as_str(), below) {
                ("properties" | "$defs", serde_json::Value::Object(names)) => {
                    names.values().for_each(look);
                }
                ("default" | "x-exactly-one" | "x-words" | "required", _) => {}
                (_, serde_json::Value::Array(items)) => items.iter().for_each(look),
                _ => look(below),
            }
        }
    }
    look(&Config::json_schema());
}

#[test]
fn bounds_of_bodies_are_one() {
    let schema = Config::json_schema();
    let body = &schema["$defs"]["BodyLimits"]["properties"];
    for way in ["request", "response"] {
        assert_eq!(body[way]["x-max"], super::BODY_MAX.to_string());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z:\\-\\[\\]{}&*!|>'\"%#,? \n\t0-9~.]{0,80}") {
        let _ = parse(&text);
    }

    #[test]
    fn what_the_check_lets_pass_the_types_take(
        section in prop_oneof!["capture", "limits", "sinks"],
        key in prop_oneof![
            "mode", "roles", "ring", "memory", "idle", "head", "fields", "connections", "a", "body",
        ],
        value in prop_oneof![
            "[a-z0-9]{0,5}", "[0-9]{1,12}(KiB|m|s)?", "\\[[a-z0-9,]*\\]",
            "\\{(stdout|file|events): [a-z0-9\\[\\]]*\\}",
        ],
    ) {
        if let Err(mistakes) = parse(&format!("{section}:\n  {key}: {value}\n")) {
            for mistake in mistakes.told {
                prop_assert!(mistake.place.line > 0, "{mistake:?}");
            }
        }
    }
}

/// A folder with a configuration file and one that lies beside it.
fn layered(name: &str, file: &str, beside: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("eaves-{name}-{}", std::process::id()));
    fs::create_dir_all(dir.join("conf.d")).unwrap();
    fs::write(dir.join("eaves.yaml"), file).unwrap();
    fs::write(dir.join("conf.d/50-site.yaml"), beside).unwrap();
    dir
}

fn set<const N: usize>(variables: [(&str, &str); N]) -> std::vec::IntoIter<(String, String)> {
    let owned = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Vec::from(owned).into_iter()
}

#[test]
fn what_is_read_later_goes_before_and_is_shown_with_its_place() {
    let file = "capture:\n  mode: syscall\n  ring: 1MiB\nlimits: { memory: 1GiB }\n";
    let dir = layered("layered", file, "# of the site\ncapture: { ring: 2MiB }\n");
    let variables = set([("EAVES_CAPTURE__ROLES", "[client]"), ("EAVES_LOG", "info")]);
    let loaded = load_with(Some(&dir.join("eaves.yaml")), variables).unwrap();
    let capture = &loaded.config.capture;
    assert_eq!(capture.mode, Mode::Syscall);
    assert_eq!(capture.ring, Size(2 << 20));
    assert_eq!(capture.roles, [Role::Client]);
    assert_eq!(loaded.names.len(), 3);
    let shown = loaded.to_yaml().replace(dir.to_str().unwrap(), "");
    for line in [
        "  mode: \"syscall\"  # /eaves.yaml:2\n",
        "  ring: \"2MiB\"  # /conf.d/50-site.yaml:2\n",
        "  roles: [\"client\"]  # EAVES_CAPTURE__ROLES:1\n",
        "  tls: true  # default\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert_eq!(parse(&shown), Ok(loaded.config));
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn mistakes_are_told_of_every_file_and_variable() {
    let file = "capture: { mode: telepathy }\nsinks: { a: { stdout: {} } }\n";
    let dir = layered("mistakes", file, "sinks: { a: { file: { path: /x } } }\n");
    let variables = set([
        ("EAVES_LIMITS__MEMORY", "plenty"),
        ("EAVES_LIMITS__MEMROY", "1GiB"),
        ("EAVES_SINKS__A__WEBHOOK__BEARER", "hunter2: ["),
    ]);
    let failed = load_with(Some(&dir.join("eaves.yaml")), variables);
    let report = failed.unwrap_err().to_string();
    assert!(
        report.contains("EAVES_SINKS__A__WEBHOOK__BEARER:1:"),
        "{report}"
    );
    assert!(!report.contains("hunter2"), "{report}");
    let variables = set([
        ("EAVES_LIMITS__MEMORY", "plenty"),
        ("EAVES_LIMITS__MEMROY", "1"),
    ]);
    let failed = load_with(Some(&dir.join("eaves.yaml")), variables);
    let report = failed.unwrap_err().to_string();
    let report = report.replace(dir.to_str().unwrap(), "");
    for words in [
        "/eaves.yaml:1:18: capture.mode: `telepathy` is not known here",
        "/conf.d/50-site.yaml:1:13: sinks.a: names 2 types: stdout, file",
        "EAVES_LIMITS__MEMORY:1:1: limits.memory: `plenty`",
        "EAVES_LIMITS__MEMROY:1:1: limits.memroy: is not known here; did you mean `memory`?",
        "4 mistakes in /eaves.yaml, /conf.d/50-site.yaml, EAVES_LIMITS__MEMORY, EAVES_LIMITS__MEMROY",
    ] {
        assert!(report.contains(words), "{words} in {report}");
    }
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_report_in_one_line_names_the_first_mistake_and_counts_the_rest() {
    let check = |text: &str, expected: &str| {
        let mistakes = parse(text).unwrap_err();
        let report = super::Report::new([("a.yaml", text)], mistakes);
        assert!(report.lines().all(|line| !line.contains('\n')));
        let summary = report.summary();
        assert!(
            summary.starts_with("a.yaml:1:12: limits.cup: "),
            "{summary}"
        );
        assert!(summary.ends_with(expected), "{summary}");
    };
    check(
        "limits: {  cup: 1 }",
        "allowed: memory, cpu, connections, connection, idle, forget, head, fields",
    );
    check("limits: {  cup: 1, idel: 1 }", " (and one more mistake)");
    check(
        "limits: {  cup: 1, idel: 1, haed: 1 }",
        " (and 2 more mistakes)",
    );
}
