//! Rules of the shapes that Sigma's thirteen generic ones for web servers have: each fires on a request
//! made for it, and not on its neighbour.

use serde_json::{Value, json};

use super::Rules;

/// A request: method, target, status; and its User-Agent, if it has one.
type Request = (&'static str, &'static str, u16, Option<&'static str>);

/// What a rule is about, its `detection`, a request for it, one beside it.
const GENERIC: &[(&str, &str, Request, Request)] = &[
    (
        "a shell of an appliance's interface",
        "selection: { cs-method: POST, 'cs-uri-query|endswith': /util/bash }\n    condition: selection",
        ("POST", "/mgmt/tm/util/bash", 200, None),
        ("GET", "/mgmt/tm/util/bash", 200, None),
    ),
    (
        "short names of IIS",
        "selection:\n        cs-uri-query|contains: '~1'\n        cs-uri-query|endswith: 'a.aspx'\n        cs-method: [GET, OPTIONS]\n        sc-status: [200, 301]\n    condition: selection",
        ("OPTIONS", "/x*~1*/a.aspx", 200, None),
        ("OPTIONS", "/x*~1*/a.aspx", 404, None),
    ),
    (
        "Java in a request",
        "keywords: ['%24%7B%40java', '${@java', 'getRuntime().exec(']\n    condition: keywords",
        ("GET", "/a?x=$%7B@java.lang.Runtime%7D", 200, None),
        ("GET", "/a?x=$%7Bjava%7D", 200, None),
    ),
    (
        "a kit for lookups of JNDI",
        "keywords: ['/Basic/Command/Base64/', '/TomcatBypass/']\n    condition: keywords",
        (
            "GET",
            "/",
            200,
            Some("${jndi:ldap://h/Basic/Command/Base64/aWQ=}"),
        ),
        ("GET", "/basic/command", 200, Some("curl")),
    ),
    (
        "ways up to a folder of the system",
        "selection:\n        cs-uri-query|contains: ['../../../etc/', '..%252f..%252f..%252fetc%252f']\n    condition: selection",
        ("GET", "/icons/../../../etc/hosts", 200, None),
        ("GET", "/icons/../etc/hosts", 200, None),
    ),
    (
        "a repository left open",
        "keywords: ['.git/']\n    condition: keywords",
        ("GET", "/.git/config", 200, None),
        ("GET", "/about.git", 200, None),
    ),
    (
        "queries of SQL",
        "selection: { cs-method: GET }\n    keywords: ['UNION%20SELECT', '=select(', 'select * ']\n    filter_main_status: { sc-status: 404 }\n    condition: selection and keywords and not 1 of filter_main_*",
        ("GET", "/a?q=1%20union%20select%201", 200, None),
        ("GET", "/a?q=1%20union%20select%201", 404, None),
    ),
    (
        "expressions of templates",
        "select_method: { cs-method: GET }\n    keywords: ['={{', '=%7B%7B', '=<%=']\n    filter: { sc-status: 404 }\n    condition: select_method and keywords and not filter",
        ("GET", "/a?q=%7b%7b7*7%7d%7d", 200, None),
        ("POST", "/a?q=%7b%7b7*7%7d%7d", 200, None),
    ),
    (
        "tools by their names",
        "selection:\n        cs-user-agent|contains: ['sqlmap/', 'Nikto/', 'Fuzz Faster U Fool']\n    condition: selection",
        ("GET", "/", 200, Some("Fuzz Faster U Fool v2.1")),
        ("GET", "/", 200, Some("Mozilla/5.0 (fool)")),
    ),
    (
        "paths of Windows",
        "selection:\n        cs-uri-query|contains: ['=C:/Users', '=C%3A%5CWindows']\n    condition: selection",
        ("GET", "/a?f=C%3A%5CWindows%5Cx", 200, None),
        ("GET", "/a?f=D%3A%5CWindows%5Cx", 200, None),
    ),
    (
        "a tunnel through a page",
        "selection:\n        cs-uri-query|contains: ['cmd=connect', 'cmd=read']\n    filter: { cs-referer: null, cs-user-agent: null, cs-method: POST }\n    condition: selection and filter",
        ("POST", "/t.jsp?cmd=connect&target=h", 200, None),
        ("POST", "/t.jsp?cmd=connect&target=h", 200, Some("curl")),
    ),
    (
        "commands of Windows",
        "selection_method: { cs-method: GET }\n    selection_keywords: ['=whoami', '=net%20user', '=cmd+/c+']\n    condition: all of selection_*",
        ("GET", "/x.aspx?c=net%20user", 200, None),
        ("GET", "/x.aspx?c=network", 200, None),
    ),
    (
        "scripts in pages",
        "select_method: { cs-method: GET }\n    keywords: ['=<script>', '=%3Cscript%3E', 'document.cookie']\n    filter: { sc-status: 404 }\n    condition: select_method and keywords and not filter",
        ("GET", "/a?q=%3cscript%3ex", 200, None),
        ("GET", "/a?q=script", 200, None),
    ),
];

fn line((method, target, status, agent): Request) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut url = json!({ "path": path });
    if !query.is_empty() {
        url["query"] = query.into();
    }
    let mut event = json!({
        "kind": "exchange",
        "url": url,
        "http": { "request": { "method": method }, "response": { "status_code": status } },
    });
    if let Some(agent) = agent {
        event["user_agent"] = json!({ "original": agent });
    }
    let Value::Object(mut event) = event else {
        return String::new();
    };
    // `kind` comes first in every line that we write.
    let kind = event.remove("kind");
    let rest = Value::Object(event).to_string();
    rest.replacen('{', &format!("{{\"kind\":{},", kind.unwrap_or_default()), 1)
}

#[test]
fn each_fires_on_a_request_made_for_it_and_not_on_its_neighbour() {
    assert_eq!(GENERIC.len(), 13);
    for (title, detection, request, neighbour) in GENERIC {
        let text = format!(
            "title: {title}\nid: t\nlogsource:\n    category: webserver\ndetection:\n    {detection}\nlevel: high\n"
        );
        let (rules, errors) = Rules::read(&[("a.yaml".to_owned(), text)]);
        assert!(errors.is_empty(), "{title}: {errors:?}");
        let fires = |request| rules.all()[0].matches(line(request).as_bytes());
        assert!(fires(*request), "{title}: {}", line(*request));
        assert!(!fires(*neighbour), "{title}: {}", line(*neighbour));
    }
}
