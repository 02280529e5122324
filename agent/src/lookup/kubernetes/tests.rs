//! A stand-in for the API server, which serves lists and watch streams as one has sent them, breaks
//! off, sends bookmarks and says 410 Gone. That the client makes of it what it should is what is
//! tested; nothing here knows how.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::super::pods::{Pods, PodsOptions};
use super::watch;
use crate::lookup::{Mask, Pod};

struct Plain;

impl Mask for Plain {
    fn command_line(&self, arguments: &[u8]) -> Vec<u8> {
        arguments.to_vec()
    }
    fn label(&self, _: &str, value: String) -> String {
        value
    }
}

/// A pod's metadata as the API server writes it.
fn pod(name: &str, version: u32) -> String {
    format!(
        r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{{"name":"{name}","generateName":"web-","namespace":"shop","uid":"uid-{name}","resourceVersion":"{version}","creationTimestamp":"2026-11-21T06:02:11Z","labels":{{"app":"web","pod-template-hash":"5d4f8c7b9"}},"annotations":{{"kubernetes.io/config.hash":"hash-{name}"}},"ownerReferences":[{{"apiVersion":"v1","kind":"Other","name":"x","uid":"1"}},{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-5d4f8c7b9","uid":"2","controller":true,"blockOwnerDeletion":true}}]}}}}"#
    )
}

fn list(pods: &[(&str, u32)], version: u32) -> String {
    let items: Vec<String> = pods
        .iter()
        .map(|(name, version)| pod(name, *version))
        .collect();
    format!(
        r#"{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{{"resourceVersion":"{version}"}},"items":[{}]}}"#,
        items.join(",")
    )
}

fn event(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

fn bookmark(version: u32) -> String {
    let object = format!(
        r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{{"resourceVersion":"{version}","creationTimestamp":null}}}}"#
    );
    event("BOOKMARK", &object)
}

const GONE: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 30 (99)","reason":"Expired","code":410}"#;

/// What the server does with one question.
enum Turn {
    /// Answers with a list.
    List(String),
    /// Streams events, then ends the stream in good order.
    Watch(String),
    /// Streams events, then breaks the conn off in the middle of one.
    Break(String),
    /// Streams events and stays silent.
    Stay(String),
    /// Answers with a status of HTTP.
    Refuse(&'static str),
}

/// Serves `turns`; the questions it was asked, as far as they were.
async fn serve(
    listener: TcpListener,
    mut turns: VecDeque<Turn>,
    asked: mpsc::UnboundedSender<String>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        while let Some(question) = question(&mut stream).await {
            asked.send(question).unwrap();
            let Some(turn) = turns.pop_front() else {
                return std::future::pending().await;
            };
            if !answer(&mut stream, turn).await {
                break;
            }
        }
    }
}

async fn question(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    Some(head.lines().next().unwrap().to_owned())
}

/// Whether the conn goes on.
async fn answer(stream: &mut TcpStream, turn: Turn) -> bool {
    let (status, body, end) = match turn {
        Turn::List(body) => ("200 OK", body, true),
        Turn::Watch(body) => ("200 OK", body, true),
        Turn::Stay(body) => ("200 OK", body, false),
        Turn::Refuse(status) => (status, "{}".to_owned(), true),
        Turn::Break(body) => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            let cut = format!("{head}{:x}\r\n{body}", body.len() + 100);
            stream.write_all(cut.as_bytes()).await.unwrap();
            return false;
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    if !end {
        std::future::pending::<()>().await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    true
}

/// What the client asks and knows when `turns` are over: the last of them must be [`Turn::Stay`].
#[track_caller]
fn check(turns: Vec<Turn>, questions: &[&[&str]], known: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = std::env::temp_dir();
    let (asked, mut questions_asked) = mpsc::unbounded_channel();
    let pods = Rc::new(RefCell::new(Pods::default()));
    let seen = LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let file = folder.join(format!("eaves-kubeconfig-{port}"));
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
             contexts: [{{name: a, context: {{cluster: a, user: a}}}}]\n\
             clusters: [{{name: a, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
             users: [{{name: a, user: {{}}}}]\n"
        );
        std::fs::write(&file, config).unwrap();
        tokio::task::spawn_local(serve(listener, turns.into(), asked));
        let options = PodsOptions {
            node: "node-1".to_owned(),
            kubeconfig: Some(file.clone()),
        };
        tokio::task::spawn_local(watch(options, Rc::clone(&pods), Arc::new(Plain)));
        let mut seen = Vec::new();
        while seen.len() < questions.len() {
            seen.push(questions_asked.recv().await.unwrap());
        }
        let all = || {
            let pods = pods.borrow();
            known
                .iter()
                .all(|name| pods.get(&format!("uid-{name}")).is_some())
                && pods.get("uid-old").is_none()
        };
        let come = async {
            while !all() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), come)
            .await
            .unwrap();
        std::fs::remove_file(file).unwrap();
        seen
    });
    for (question, parts) in seen.iter().zip(questions) {
        assert!(
            question.contains("fieldSelector=spec.nodeName%3Dnode-1"),
            "{question}"
        );
        for part in *parts {
            assert!(question.contains(part), "{question} has no {part}");
        }
    }
}

const LIST: &str = "GET /api/v1/pods?";
const WATCH: &str = "watch=true";
const BOOKMARKS: &str = "allowWatchBookmarks=true";

#[test]
fn a_list_is_followed_by_what_changes() {
    let changes = event("ADDED", &pod("b", 11)) + &event("DELETED", &pod("old", 12));
    check(
        vec![
            Turn::List(list(&[("a", 5), ("old", 6)], 10)),
            Turn::Stay(changes),
        ],
        &[&[LIST], &[WATCH, BOOKMARKS, "resourceVersion=10"]],
        &["a", "b"],
    );
}

#[test]
fn a_watch_that_ends_or_breaks_goes_on_where_it_was() {
    check(
        vec![
            Turn::List(list(&[("a", 5)], 10)),
            Turn::Watch(event("ADDED", &pod("b", 11))),
            Turn::Watch(bookmark(30)),
            Turn::Break(event("ADDED", &pod("c", 31))),
            Turn::Stay(event("ADDED", &pod("d", 32))),
        ],
        &[
            &[LIST],
            &[WATCH, "resourceVersion=10"],
            &[WATCH, "resourceVersion=11"],
            &[WATCH, "resourceVersion=30"],
            &[WATCH, "resourceVersion=31"],
        ],
        &["a", "b", "c", "d"],
    );
}

#[test]
fn a_version_that_is_gone_begins_with_a_list_again() {
    check(
        vec![
            Turn::List(list(&[("a", 5), ("old", 6)], 30)),
            Turn::Watch(event("ERROR", GONE)),
            Turn::List(list(&[("a", 5), ("b", 90)], 99)),
            Turn::Stay(event("ADDED", &pod("c", 100))),
        ],
        &[&[LIST], &[WATCH], &[LIST], &[WATCH, "resourceVersion=99"]],
        &["a", "b", "c"],
    );
}

#[test]
fn a_server_that_refuses_is_asked_again() {
    check(
        vec![
            Turn::Refuse("503 Service Unavailable"),
            Turn::List(list(&[("a", 5)], 10)),
            Turn::Stay(bookmark(11)),
        ],
        &[&[LIST], &[LIST], &[WATCH]],
        &["a"],
    );
}

#[test]
fn what_is_used_of_the_metadata() {
    let mut pods = Pods::default();
    let parsed = serde_json::from_str(&pod("web-5d4f8c7b9-x7k2p", 5)).unwrap();
    pods.put(super::metadata(parsed), &Plain);
    let found = pods.get("uid-web-5d4f8c7b9-x7k2p").unwrap();
    let Pod {
        uid,
        namespace,
        name,
        labels,
        owner,
    } = &*found;
    assert_eq!(uid, "uid-web-5d4f8c7b9-x7k2p");
    assert_eq!(namespace.as_deref(), Some("shop"));
    assert_eq!(name.as_deref(), Some("web-5d4f8c7b9-x7k2p"));
    assert_eq!(labels[0], ("app".to_owned(), "web".to_owned()));
    let owner = owner.as_ref().unwrap();
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str()),
        ("Deployment", "web")
    );
    let static_pod = pods.get("hash-web-5d4f8c7b9-x7k2p");
    assert_eq!(static_pod.as_ref(), Some(&found));
}
