//! A stand-in for Docker and Podman, which answers as they do.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::{Container, inspect};
use crate::lookup::Mask;

/// What Docker 20.10 answers, shortened; the environment is there and must not be kept.
const DOCKER: &str = r#"{"Id":"4be1","Created":"2026-11-21T06:02:11Z","Path":"nginx","State":{"Pid":812},
"Name":"/shop-web-1","Config":{"Hostname":"4be1","Env":["DB_PASSWORD=hunter2"],"Image":"nginx:1.25",
"Labels":{"com.docker.compose.service":"web","db-password":"hunter2"}}}"#;

struct Stars;

impl Mask for Stars {
    fn command_line(&self, arguments: &[u8]) -> Vec<u8> {
        arguments.to_vec()
    }
    fn label(&self, name: &str, value: String) -> String {
        if name.contains("password") {
            "*".to_owned()
        } else {
            value
        }
    }
}

/// Answers one question with `answer`; the question.
async fn asked(
    name: &str,
    id: &str,
    answer: String,
) -> (String, Result<Option<Container>, String>) {
    let socket: PathBuf =
        std::env::temp_dir().join(format!("eaves-runtime-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut question = [0; 1024];
        let len = stream.read(&mut question).await.unwrap();
        // Who does not like the answer need not read all of it.
        let _ = stream.write_all(answer.as_bytes()).await;
        String::from_utf8_lossy(&question[..len]).into_owned()
    });
    let found = inspect(&socket, id, &Stars).await;
    let question = server.await.unwrap();
    std::fs::remove_file(socket).unwrap();
    let said = |error| crate::telemetry::with_causes(&error);
    (question, found.map_err(said))
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn a_container_is_asked_for_by_its_id_and_described() {
    let (question, found) = run(asked("docker", "4be1", http("200 OK", DOCKER)));
    assert!(question.starts_with("GET /containers/4be1/json HTTP/1.1\r\nhost: docker\r\n"));
    let expected = Container {
        id: "4be1".to_owned(),
        name: Some("shop-web-1".to_owned()),
        image: Some("nginx:1.25".to_owned()),
        labels: vec![
            ("com.docker.compose.service".to_owned(), "web".to_owned()),
            ("db-password".to_owned(), "*".to_owned()),
        ],
    };
    assert_eq!(found.unwrap(), Some(expected));
}

#[test]
fn an_answer_may_come_in_chunks() {
    let body = r#"{"Name":"web","Config":{"Image":"docker.io/library/nginx","Labels":null}}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let (_, found) = run(asked("podman", "4be1", answer));
    assert_eq!(found.unwrap().unwrap().name.as_deref(), Some("web"));
}

#[test]
fn a_container_that_is_not_known_is_none() {
    let body = r#"{"message":"No such container: 4be1"}"#;
    let (_, found) = run(asked("none", "4be1", http("404 Not Found", body)));
    assert_eq!(found.unwrap(), None);
}

#[test]
fn what_is_no_answer_is_an_error() {
    let (_, found) = run(asked(
        "error",
        "4be1",
        http("500 Internal Server Error", "{}"),
    ));
    assert!(found.unwrap_err().ends_with("status 500"));
    let (_, found) = run(asked("json", "4be1", http("200 OK", "{\"Name\":5}")));
    assert!(found.is_err());
    let (_, found) = run(asked("noise", "4be1", "SSH-2.0-x\r\n".to_owned()));
    assert!(found.is_err());
    let (_, found) = run(asked("large", "4be1", http("200 OK", &" ".repeat(2 << 20))));
    assert!(found.is_err());
}

#[test]
fn a_socket_that_is_not_there_is_told() {
    let found = run(inspect(Path::new("/no/socket"), "4be1", &Stars));
    let error = found.unwrap_err().to_string();
    assert_eq!(error, "/no/socket: cannot be opened");
}

#[test]
fn an_id_that_would_lead_elsewhere_is_not_asked_for() {
    for id in ["", "a/../../info", "a?x", "a b"] {
        let found = run(inspect(Path::new("/no/socket"), id, &Stars));
        assert_eq!(found.unwrap(), None);
    }
}
