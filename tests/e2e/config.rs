//! The configuration file: every mistake at once, with its place and what is allowed.

use eaves_tests::sandbox::Sandbox;

use super::{check, check_output, eaves};

#[track_caller]
fn check_file(yaml: &str, code: i32, words: &[&str]) {
    let sandbox = Sandbox::new().unwrap();
    let file = sandbox.write("eaves.yaml", yaml).unwrap();
    let Some(output) = eaves(&["config", "check", file.to_str().unwrap()]) else {
        return;
    };
    check_output(&output, code, &[], words);
    if code != 0 {
        let Some(output) = eaves(&["run", "--config", file.to_str().unwrap()]) else {
            return;
        };
        check_output(&output, code, &[], words);
    }
}

#[test]
fn a_good_file_passes() {
    check_file(
        "capture:\n  mode: socket\n  roles: [server, client]\n  exclude:\n    ports: [22]\n\
         limits:\n  memory: 256MiB\nsinks:\n  out:\n    file:\n      path: /tmp/x.jsonl\n",
        0,
        &[],
    );
    check_file("", 0, &[]);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_those_there_are() {
    check_file("capture:\n  mood: auto\n", 2, &["mood", "2:3", "mode"]);
    check_file("kapture: {}\n", 2, &["kapture", "1:1", "capture"]);
    let sink = "sinks:\n  out:\n    file:\n      path: /tmp/x\n      pth: /tmp/x\n";
    check_file(sink, 2, &["pth", "5:7"]);
}

#[test]
fn a_wrong_value_is_named_with_what_is_allowed() {
    check_file(
        "capture:\n  mode: telepathy\n",
        2,
        &["telepathy", "2:9", "socket", "syscall"],
    );
    check_file("limits:\n  memory: plenty\n", 2, &["2:11"]);
    check_file("capture:\n  exclude:\n    ports: [70000]\n", 2, &["3:13"]);
}

#[test]
fn every_mistake_is_named_at_once() {
    let yaml = "capture:\n  mode: telepathy\n  mood: 1\nlimits:\n  memory: plenty\nsinks:\n  a:\n    telegraph: {}\n";
    check_file(yaml, 2, &["telepathy", "mood", "5:11", "telegraph"]);
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    check_file("capture: [\n", 2, &["1:"]);
    check_file("capture:\n\tmode: auto\n", 2, &["2:"]);
    check_file(
        "capture:\n  mode: auto\n  mode: auto\n",
        2,
        &["mode", "3:3"],
    );
}

#[test]
fn a_bomb_is_refused() {
    let mut yaml = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip("abcdefgh".chars())
    {
        let nine = vec![format!("*{before}"); 9].join(",");
        yaml += &format!("{name}: &{name} [{nine}]\n");
    }
    check_file(&yaml, 2, &[]);
}

#[test]
fn an_unreadable_file_is_named() {
    for command in [&["config", "check"][..], &["run", "--config"]] {
        let arguments = [command, &["/nonexistent/eaves.yaml"]].concat();
        check(&arguments, 2, &[], &["/nonexistent/eaves.yaml"]);
    }
}

#[test]
fn files_beside_it_are_read_too() {
    let sandbox = Sandbox::new().unwrap();
    let file = sandbox
        .write("eaves.yaml", "capture: { mode: socket }\n")
        .unwrap();
    let folder = file.with_file_name("conf.d");
    std::fs::create_dir(&folder).unwrap();
    let beside = folder.join("50-site.yaml");
    std::fs::write(&beside, "capture: { mode: syscall }\n").unwrap();
    let (file, name) = (file.to_str().unwrap(), beside.to_str().unwrap());
    let shown = format!("mode: \"syscall\"  # {name}:1");
    check(&["config", "show", file], 0, &[&shown], &[]);
    std::fs::write(&beside, "capture: { mode: telepathy }\n").unwrap();
    for command in [["config", "check"], ["run", "--config"]] {
        let arguments = [&command[..], &[file]].concat();
        check(&arguments, 2, &[], &[&format!("{name}:1:18: capture.mode")]);
    }
}

#[test]
fn the_schema_is_json_and_names_the_sections() {
    let Some(output) = eaves(&["config", "schema"]) else {
        return;
    };
    check_output(&output, 0, &["capture", "limits", "sinks"], &[]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema.pointer("/properties/capture").is_some(), "{schema}");
}

#[test]
fn what_is_shown_can_be_read_back() {
    let sandbox = Sandbox::new().unwrap();
    let Some(output) = eaves(&["config", "show"]) else {
        return;
    };
    check_output(&output, 0, &["capture", "mode"], &[]);
    let file = sandbox.write("shown.yaml", &output.stdout).unwrap();
    check(&["config", "check", file.to_str().unwrap()], 0, &[], &[]);
}
