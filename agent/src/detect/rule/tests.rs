use super::{Rules, View};
use crate::clock::WallTime;
use crate::detect::tests::support::{Quiet, facts_at};
use crate::detect::{Detectors, Options, Outcome};
use crate::event::{Host, Ids};

fn read(text: &str) -> (Rules, Vec<String>) {
    let (rules, errors) = Rules::read(&[("a.yaml".to_owned(), text.to_owned())]);
    (rules, errors.iter().map(ToString::to_string).collect())
}

/// Reads a Sigma rule of this detection and holds it against the request of `uri`, `agent` and
/// `status`.
#[track_caller]
fn check(detection: &str, uri: &str, agent: &str, status: u16, expected: bool) {
    let text = format!(
        "title: T\nid: t\nlogsource:\n    category: webserver\ndetection:\n{detection}\nlevel: high\n"
    );
    let (rules, errors) = read(&text);
    assert!(errors.is_empty(), "{errors:?}");
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let line = serde_json::json!({
        "url": { "path": path, "query": query },
        "http": { "request": { "method": "GET" }, "response": { "status_code": status } },
        "user_agent": { "original": agent },
    });
    let line = line.to_string().replacen('{', "{\"kind\":\"exchange\",", 1);
    assert_eq!(
        rules.all()[0].matches(line.as_bytes()),
        expected,
        "{uri} {:?}",
        View::of(line.as_bytes())
    );
}

#[test]
fn sigma_selections_are_read_as_the_specification_has_them() {
    let contains = "    selection:\n        cs-method: GET\n        cs-uri-query|contains:\n            - 'union select'\n            - 'or 1=1'\n    condition: selection";
    check(contains, "/a?q=1%20UNION%20SELECT%202", "", 200, true);
    check(contains, "/a?q=union+of+workers", "", 200, false);
    let keywords = "    keywords:\n        - '${jndi:'\n    condition: keywords";
    check(keywords, "/", "${jndi:ldap://x/a}", 200, true);
    check(keywords, "/jndi", "curl", 200, false);
    let filtered = "    selection:\n        cs-uri|endswith: '.php'\n        sc-status: 200\n    filter:\n        c-useragent|startswith: Uptime\n    condition: selection and not filter";
    check(filtered, "/up/x.php", "curl", 200, true);
    check(filtered, "/up/x.php", "uptimebot", 200, false);
    check(filtered, "/up/x.php", "curl", 404, false);
    let all = "    selection:\n        cs-uri-query|contains|all:\n            - 'cmd='\n            - 'whoami'\n    condition: selection";
    check(all, "/?cmd=whoami", "", 200, true);
    check(all, "/?cmd=ls", "", 200, false);
    let wild = "    selection_a:\n        cs-uri-stem: '*/admin/*.bak'\n    selection_b:\n        cs-uri-stem|re: '^/x[0-9]+$'\n    condition: 1 of selection_*";
    check(wild, "/v1/admin/db.bak", "", 200, true);
    check(wild, "/X77", "", 200, true);
    check(wild, "/x7a", "", 200, false);
    let listed = "    selection:\n        - cs-uri-stem: /a\n        - cs-uri-stem: /b\n    condition: all of them";
    check(listed, "/b", "", 200, true);
    check(listed, "/c", "", 200, false);
    let escaped =
        "    selection:\n        cs-uri-query|contains: 'a\\*b'\n    condition: selection";
    check(escaped, "/?a*b", "", 200, true);
    check(escaped, "/?axb", "", 200, false);
}

#[test]
fn what_sigma_has_and_we_have_not_is_refused_by_name() {
    for (detection, category, expected) in [
        (
            "selection: { cs-uri|base64: x }\n    condition: selection",
            "webserver",
            "modifier `base64` is not supported",
        ),
        (
            "selection: { Image: x }\n    condition: selection",
            "webserver",
            "field `Image` is not supported",
        ),
        (
            "selection: { cs-uri: x }\n    condition: selection | near other",
            "webserver",
            "is not supported",
        ),
        (
            "selection: { cs-uri: x }\n    condition: selection | max(a) by b > 1",
            "webserver",
            "aggregation `max` is not supported",
        ),
        (
            "selection: { cs-uri: x }\n    condition: other",
            "webserver",
            "there is no search `other`",
        ),
        (
            "selection: { cs-uri: x }\n    condition: (selection",
            "webserver",
            "a parenthesis is not closed",
        ),
        (
            "selection: { cs-uri: x }\n    condition: selection",
            "process_creation",
            "`process_creation` is not supported",
        ),
        (
            "selection: { cs-uri: x }\n    condition: selection | count() by c-ip > 5",
            "webserver",
            "no `timeframe`",
        ),
    ] {
        let text = format!(
            "title: T\nid: t\nlogsource:\n    category: {category}\ndetection:\n    {detection}\n"
        );
        let (rules, errors) = read(&text);
        assert!(rules.is_empty());
        assert!(errors[0].contains(expected), "{errors:?} has no {expected}");
    }
}

const OWN: &str = r#"
rules:
  - id: exports
    name: many exports
    match: 'path == "/export"'
    count: { least: 3, window: 10m, by: [client.address], distinct: url.query }
    severity: high
    tags: [finance]
    text: "{count} exports by {user.id} from {client.address} {{x}}"
    tests:
      - { fires: true, event: { url: { path: /export } } }
      - { fires: false, event: { url: { path: /other } } }
"#;

#[test]
fn a_rule_of_ones_own_counts_by_key_and_fills_its_text() {
    let (rules, errors) = read(OWN);
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(rules.all()[0].test(), (2, vec![]));
    let mut detectors = Detectors::new(Options::default(), Ids::new("h", 1));
    let mut out = Outcome::default();
    for (n, query) in ["a", "a", "b", "b", "c"].into_iter().enumerate() {
        let time = WallTime((1_795_240_931 + n as u64) * 1_000_000_000);
        let facts = facts_at(time, n as u64, &Quiet);
        let line = format!(
            r#"{{"kind":"exchange","client":{{"address":"203.0.113.7"}},"url":{{"path":"/export","query":"{query}"}}}}"#
        );
        detectors.hold(&rules, line.as_bytes(), &facts, &mut out);
        assert_eq!(out.told.len(), usize::from(query == "c"), "{n}");
    }
    let finding = out.told[0].finding(Host { name: "h", id: "" });
    assert_eq!(finding.title, "3 exports by ? from 203.0.113.7 {x}");
    assert_eq!(finding.severity, crate::event::Severity::High);
    assert_eq!(
        (finding.count, finding.threshold, finding.tags.as_ref()),
        (3, 3, &["finance".to_owned()][..])
    );
}

#[test]
fn an_exchange_that_is_told_again_counts_once() {
    let text = OWN.replace(", distinct: url.query", "");
    let (rules, errors) = read(&text);
    assert_eq!(errors, Vec::<String>::new());
    let line =
        br#"{"kind":"exchange","client":{"address":"203.0.113.7"},"url":{"path":"/export"}}"#;
    let found = |reports: u64| {
        let mut detectors = Detectors::new(Options::default(), Ids::new("h", 1));
        let mut out = Outcome::default();
        for n in 0..6_u64 {
            let mut facts = facts_at(WallTime(1_795_240_931_000_000_000), n, &Quiet);
            let first = Ids::new("x", n / reports).notice(facts.time, 0);
            facts.first = (reports > 1).then_some(first);
            facts.partial = n % reports + 1 < reports;
            detectors.hold(&rules, line, &facts, &mut out);
        }
        out.told.len()
    };
    assert_eq!((found(1), found(2), found(3), found(6)), (2, 1, 0, 0));
}

#[test]
fn every_mistake_of_a_rule_is_told_with_its_name() {
    for (change, expected) in [
        (("path ==", "pth =="), "a.yaml: exports: `match`: "),
        (("{user.id}", "{user.ix}"), "a.yaml: exports: `text`: "),
        (("{user.id}", "{user.id"), "a.yaml: exports: "),
        (
            ("[client.address]", "[client.addres]"),
            "a.yaml: exports: `count`: ",
        ),
        (("id: exports", "id: auth-01"), "`id` is that of a detector"),
        (("severity: high", "severity: hgh"), "unknown variant"),
        (("tags:", "tagz:"), "unknown field"),
        (("rules:", "rulez:"), "a.yaml: "),
    ] {
        let (rules, errors) = read(&OWN.replace(change.0, change.1));
        assert!(
            rules.is_empty() && errors.len() == 1,
            "{change:?} {errors:?}"
        );
        assert!(errors[0].contains(expected), "{errors:?} has no {expected}");
    }
    let twice = [
        ("a".to_owned(), OWN.to_owned()),
        ("b".to_owned(), OWN.to_owned()),
    ];
    assert_eq!(
        Rules::read(&twice).1[0].to_string(),
        "b: exports: there is another rule of this id"
    );
}
