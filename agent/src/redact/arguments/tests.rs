//! Command lines as people write them, and what is left of them.

use super::{mask_arguments, mask_label};
use proptest::prelude::*;

/// `arguments` stand one a line.
#[track_caller]
fn check(arguments: &str, expected: &str) {
    let arguments: Vec<u8> = arguments
        .split('\n')
        .flat_map(|argument| [argument.as_bytes(), b"\0"].concat())
        .collect();
    let masked = mask_arguments(&arguments, &|kind, value, out| {
        assert!(!value.is_empty());
        out.extend_from_slice(format!("[{kind}]").as_bytes());
    });
    assert_eq!(String::from_utf8_lossy(&masked), expected);
}

#[test]
fn what_holds_no_secret_is_left_as_it_is() {
    for line in [
        "nginx: worker process",
        "/usr/sbin/nginx\n-g\ndaemon off;",
        "java\n-jar\n/app.jar\n--server.port=8080\n--passes=3",
        "app\n--token-file=/run/secrets/token\n--password-file\n/run/pw",
        "containerd-shim\n-id\n4be1a7ecd1c9a1b0c1f5d0d2f1b3a4c5d6e7f8091a2b3c4d5e6f708192a3b4c5",
        "ssh\n-p22\ngit@github.com\nssh://git@github.com/a",
        "docker-proxy\n-p\n8080:80",
        "sh\n-c\ncd $PWD && PWD=/srv OLDPWD=/ make -p x",
        "mysql\n-p\nshop",
        "",
        "a\n\nb",
    ] {
        check(line, &line.replace('\n', " "));
    }
}

#[test]
fn names_tell_of_secrets() {
    check(
        "app\n--password=hunter2\n-v",
        "app --password=[argument] -v",
    );
    check(
        "app\n--password\nhunter2\n-v",
        "app --password [argument] -v",
    );
    check("app\n--password\n--verbose", "app --password --verbose");
    check("app\n--db.password=a=b;c d", "app --db.password=[argument]");
    check(
        "java\n-Djavax.net.ssl.keyStorePassword=x",
        "java -Djavax.net.ssl.keyStorePassword=[argument]",
    );
    check(
        "env\nAWS_SECRET_ACCESS_KEY=abc\nrun",
        "env AWS_SECRET_ACCESS_KEY=[argument] run",
    );
    check("env\nPGPASSWORD=\nrun", "env PGPASSWORD= run");
    check(
        "x\n--api-key\nk\n--apikey=k",
        "x --api-key [argument] --apikey=[argument]",
    );
    check(
        "curl\n-H\nAuthorization: Bearer abc\nhttp://h/",
        "curl -H Authorization: [argument] http://h/",
    );
    check("curl\n-H\nCookie: a=b; c=d", "curl -H Cookie: [argument]");
}

#[test]
fn letters_of_known_programs_tell_of_secrets() {
    check(
        "/usr/bin/mysql\n-uroot\n-phunter2\nshop",
        "/usr/bin/mysql -uroot -p[argument] shop",
    );
    check(
        "sudo\nredis-cli\n-a\nhunter2\nPING",
        "sudo redis-cli -a [argument] PING",
    );
    check(
        "curl\n-u\nalice:hunter2\nhttp://h/",
        "curl -u [argument] http://h/",
    );
    check("sshpass\n-phunter2\nssh\nh", "sshpass -p[argument] ssh h");
}

#[test]
fn urls_keep_the_user_and_lose_the_password() {
    check(
        "app\npostgres://shop:hunter2@db:5432/shop?sslmode=on",
        "app postgres://shop:[argument]@db:5432/shop?sslmode=on",
    );
    check(
        "app\n--dsn=redis://:p@ss@h/0",
        "app --dsn=redis://:p@ss@h/0"
            .replace(":p@ss@", ":[argument]@")
            .as_str(),
    );
    check(
        "git\nclone\nhttps://0123456789abcdef0123456789abcdef@h/r",
        "git clone https://[argument]@h/r",
    );
    check(
        "curl\nhttp://h/?a=1&access_token=xyz&b=2",
        "curl http://h/?a=1&access_token=[argument]&b=2",
    );
}

#[test]
fn shapes_tell_of_secrets() {
    check("x\nAKIAIOSFODNN7EXAMPLE", "x [aws_access_key]");
    check(
        "x\nkey=ghp_0123456789abcdefghijABCDEFGHIJ0123",
        "x key=[github_token]",
    );
    check("x\neyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln", "x [jwt]");
}

#[test]
fn commands_inside_arguments_are_looked_into() {
    check(
        "sh\n-c\nmysql -u root -phunter2 < a.sql && curl -H \"X-Api-Key: abc d\" http://h/",
        "sh -c mysql -u root -p[argument] < a.sql && curl -H \"X-Api-Key: [argument]\" http://h/",
    );
    check(
        "sh\n-c\nrun --password 'two words' -v",
        "sh -c run --password [argument] -v",
    );
    check("sh\n-c\nPASSWORD=\"a b\" run", "sh -c PASSWORD=[argument]");
    check(
        "curl\n-d\n{\"user\":\"a\",\"password\":\"b\",\"n\":1}",
        "curl -d {\"user\":\"a\",\"password\":\"[argument]\",\"n\":1}",
    );
    check(
        "curl\n-d\n{\"password\": \"b c\"}",
        "curl -d {\"password\": [argument]",
    );
    check(
        "app\nServer=db;Password=x;Pooling=true",
        "app Server=db;Password=[argument];Pooling=true",
    );
}

#[test]
fn labels_lose_their_secrets_too() {
    let mask = |kind: &str, _: &[u8], out: &mut Vec<u8>| out.extend_from_slice(kind.as_bytes());
    let label = |name, value| mask_label(name, value, &mask);
    assert_eq!(label("com.docker.compose.project", "shop"), "shop");
    assert_eq!(label("db-password", "hunter2"), "argument");
    assert_eq!(
        label("traefik.http.url", "http://a:b@c/"),
        "http://a:argument@c/"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_taken(arguments in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = mask_arguments(&arguments, &|_, _, out| out.push(b'*'));
    }

    #[test]
    fn a_planted_secret_never_comes_through(
        before in "[a-z \"'=:/{}&;-]{0,20}",
        flag in prop::sample::select(vec!["--password=", "--token\0", "API_KEY=", "--db-secret\0"]),
        secret in "Zq[A-Za-z0-9+/:;=@ ]{4,20}",
        after in "[a-z -]{0,10}",
    ) {
        let line = format!("app\0{before}\0{flag}{secret}\0{after}\0");
        let masked = mask_arguments(line.as_bytes(), &|_, _, out| out.push(b'*'));
        let masked = String::from_utf8_lossy(&masked);
        prop_assert!(!masked.contains("Zq"), "{masked}");
    }
}
