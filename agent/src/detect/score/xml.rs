//! INJ-08, documents that make their reader fetch: external and parameter entities, inclusion,
//! style sheets that read files. Told of the bytes of a body, since parsing takes them away.

use super::rules::{Rule, Rules, rule};
use super::{Class, Found, Place, ScorerError, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "<!entity",
    "<!doctype",
    "xinclude",
    "xi:include",
    "<xsl:",
    "xmldecoder",
    "<!attlist",
    "<!notation",
    "jar:",
    "<!element",
    "xsi:schemalocation",
    "xml-stylesheet",
    "+adwaiq-",
    "<\0!",
    "datasrc",
    "pingback.ping",
    "xlink:href",
    "<x:xmpmeta",
    "<![cdata[",
    "<xml src",
    "<xml id",
    ";</",
];

const RULES: &[Rule] = &[
    rule(
        "external_entity",
        7,
        r#"<!entity\s+(?:%|&#37;|&#x25;)?\s*\S*\s*(?:system|public)\s*["'&]"#,
    ),
    rule("entity", 5, r"<!entity\s+\S"),
    rule(
        "external_subset",
        5,
        r#"<!doctype\s+[\w:.-]+\s+system\s*["'](?:file|https?|ftp|php|jar|gopher|expect|netdoc|data)?:?/"#,
    ),
    rule(
        "inclusion",
        6,
        r#"<xi:include\b|xmlns:xi\s*=\s*["']http://www\.w3\.org/2001/xinclude"#,
    ),
    rule(
        "style_sheet_reads",
        6,
        r#"<xsl:(?:copy-of|value-of|include|import)[^>]{0,120}(?:document\(|unparsed-text\(|php:function|system-property|href\s*=\s*["']?(?:https?|file|/)|select\s*=\s*["'](?:php|rt:|ob:))|xmlns:(?:php|rt|jv|ptswarm|java)\s*=\s*["']http://(?:php\.net/xsl|xml\.apache)"#,
    ),
    rule(
        "style_sheet_named",
        4,
        r#"<\?xml-stylesheet[^>]*href\s*=\s*["'](?:https?|file|data|javascript)"#,
    ),
    rule(
        "schema_fetched",
        5,
        r#"xsi:(?:nonamespace)?schemalocation\s*=\s*["'][^"']{0,200}(?:https?|ftp|file)://[^"'\s]{1,200}\.xsd"#,
    ),
    // A server that takes pingbacks fetches what the caller names (CWE-918).
    rule(
        "pingback",
        5,
        r"<methodname>\s*pingback\.ping\s*</methodname>.{0,200}?https?://",
    ),
    rule("attribute_list", 5, r"<!attlist\s+\S"),
    rule(
        "data_island",
        5,
        r"<xml\s+(?:src|id)\s*=|\bdatasrc\s*=\s*#?\w",
    ),
    rule("split_tag", 4, r"<!\[cdata\[\s*<\s*\]\]>"),
];

/// What no document has as it is sent, since no reader takes it (XML 1.0 §2.1, §4.1).
const DOCUMENT_RULES: &[Rule] = &[
    // A section where the root must be.
    rule("section_at_root", 5, r"^\s*<!\[cdata\[\s*<[a-z/!?]"),
    // A reference to what it does not declare; the longest name that HTML 4 has is of eight letters.
    rule(
        "entity_undeclared",
        5,
        r"^\s*<[^!].{0,2000}>[^<>&]{0,80}&[a-z_][\w.-]{8,40};",
    ),
];

/// The rules.
#[derive(Debug)]
pub(super) struct Xml {
    rules: Rules,
    document: Rules,
}

impl Xml {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
            document: Rules::new(DOCUMENT_RULES)?,
        })
    }

    /// Looks for documents that fetch.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        self.rules.each_match(view.bytes, |rule, start, end| {
            // Documents of their own name their schema; within a parameter it is one that is fetched.
            let document = rule.name == "schema_fetched" && view.place != Place::Query;
            let shown = view.is_shown(start) || view.prose >= 12;
            let score = if shown || document {
                rule.score * 3 / 5
            } else {
                rule.score
            };
            found.add(Class::Xml, rule.name, score, start, end);
        });
        // Only a body as a whole has no name.
        if view.place == Place::Body && view.name.is_empty() {
            self.document.each_match(view.bytes, |rule, start, end| {
                found.add(Class::Xml, rule.name, rule.score, start, end);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{quiet, score, score_at, score_in};
    use super::super::{Class, Place};

    #[test]
    fn entities_are_found() {
        for value in [
            "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
            "<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://h/x.dtd'> %x;]>",
            "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>",
            "<a xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"/etc/hosts\"/></a>",
        ] {
            assert!(score(Class::Xml, value) >= 5, "{value}");
        }
    }

    #[test]
    fn a_schema_is_fetched_where_a_parameter_names_it() {
        let value = "<a xmlns=\"http://a.b/\" xsi:schemaLocation=\"http://a.b/ http://h.example/a.xsd\">a</a>";
        assert!(score_at(Class::Xml, Place::Query, value) >= 5);
        assert!(score_at(Class::Xml, Place::Body, value) < 5);
    }

    #[test]
    fn bodies_that_no_reader_takes_are_found() {
        let body = |value| score_in(Class::Xml, Place::Body, "", value);
        for value in [
            "<![CDATA[<user>1</user>]]>",
            "<order><note>&internalConfig;</note></order>",
            "<?xml version='1.0'?><a><b>x &read_the_file;</b></a>",
            "<methodCall><methodName>pingback.ping</methodName><params><value>http://10.0.0.8/</value></params></methodCall>",
        ] {
            assert!(body(value) >= 5, "{value}");
        }
        for value in [
            "<note><![CDATA[<b>x</b>]]></note>",
            "<a><b>x &amp; y&nbsp;&thetasym;</b></a>",
            "<a>/?x=1&amp;description=2;</a>",
            "<methodCall><methodName>pingback.count</methodName><value>http://a.example/</value></methodCall>",
        ] {
            assert_eq!(body(value), 0, "{value}");
        }
        // In a feed's item it is how markup is carried.
        assert!(score_at(Class::Xml, Place::Body, "<![CDATA[<p>Hi</p>]]>") < 5);
    }

    #[test]
    fn documents_are_not() {
        for value in [
            "<!DOCTYPE html><html><body><p>Hi</p></body></html>",
            "<?xml version=\"1.0\"?><order id=\"1\"><item>2</item></order>",
            "<note><![CDATA[fish & chips]]></note>",
        ] {
            assert_eq!(score(Class::Xml, value), 0, "{value}");
        }
        quiet("the entity relationship model");
    }
}
