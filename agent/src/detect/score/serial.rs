//! INJ-12, objects written as bytes or text that make their reader run code: Java, PHP, Python,
//! .NET, Ruby, Node, YAML, and JSON that names a class.

use super::rules::{Rule, Rules, rule};
use super::{Class, Found, Place, ScorerError, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "ro0ab",
    "aced0005",
    "gasv",
    "gan",
    "gaj",
    "o:",
    "c:",
    "a:",
    "aaeaaad",
    "/wey",
    "!!python",
    "!!java",
    "!!com.",
    "!ruby",
    "@type",
    "$type",
    "_$$nd",
    "bah",
    "java.beans",
    "objectdataprovider",
    "kxyr",
    "yto",
    "tzo",
    "czo",
    "h4siaa",
    "csystem",
    "cposix",
    "cos\n",
    "c__builtin__",
    "php_object",
    "py/object",
    "py/reduce",
    "xstream",
    "sorted-set",
    "dynamic-proxy",
    "javax.script",
    "\u{fffd}\u{fffd}\0\u{5}",
    "sr\0",
];

const RULES: &[Rule] = &[
    rule(
        "java_object",
        6,
        r"(?:^|[^a-z0-9+/])ro0ab[a-z0-9+/=]|aced0005|\xac\xed\x00\x05|^kxyr|h4siaa\w{6}.{20,}ro0ab",
    ),
    rule(
        "php_object",
        6,
        r#"(?:^|[;{:=|\s"'\x00])(?:o|c):\+?\d{1,4}:\\?["'][\w\\]{1,80}\\?["']:\d{1,6}:\{"#,
    ),
    rule(
        "php_array_of_objects",
        4,
        r#"^a:\d+:\{(?:i:\d+|s:\d+:)[^}]{0,200}(?:o:\d+:|s:\d+:)"#,
    ),
    rule(
        "php_object_in_base64",
        5,
        r"^(?:tzo[0-9xyz]|yto[0-9xyz])[a-z0-9+/=]{16,}$",
    ),
    rule(
        "pickle",
        5,
        r"^ga[snjr]v?[a-z0-9+/=_-]{16,}$|\x80[\x02-\x05].{0,40}(?:c(?:os|posix|nt|builtins|__builtin__|subprocess)\n|\x8c\x05posix|\x8c\x02os)|(?:^|\n)c(?:os|posix|__builtin__|subprocess|builtins)\n(?:system|popen|eval|exec)\n",
    ),
    rule("pickle_header", 4, r"^gasv[a-z0-9+/=_-]{8,}"),
    rule(
        "net_object",
        6,
        r"(?:^|[^a-z0-9+/])aaeaaad/{5}|^/wey[a-z0-9+/]{16,}",
    ),
    rule(
        "ruby_object",
        5,
        r"!ruby/(?:object|hash|struct|regexp)|^bah[bjz78cvi][a-z0-9+/=]{16,}$|^\x04\x08[oic\[{]",
    ),
    rule(
        "yaml_object",
        6,
        r"!!(?:python/(?:object|name|module)|java(?:x)?\.|com\.sun|org\.\w+\.)[\w./:]*",
    ),
    rule("node_function", 6, r"_\$\$nd_func\$\$_|__js_function"),
    rule(
        "class_in_json",
        5,
        r#"["']?[@$]type["']?\s*:\s*["'](?:\[?l?(?:com\.|org\.|java\.|javax\.|sun\.|ch\.qos|oracle\.|br\.com|net\.sf)[\w.$]+|system\.[\w.`]+,|microsoft\.)|"@class"\s*:\s*"(?:java|com\.sun|org\.apache)|"py/(?:object|reduce)""#,
    ),
    rule(
        "xml_decoder",
        6,
        r#"<java\b[^>]*class\s*=\s*["']java\.beans|<(?:sorted-set|tree-map|dynamic-proxy|linked-hash-set)>.{0,400}(?:java\.|javax\.|handler)|<object(?:dataprovider)?\s[^>]*class\s*=\s*["']java|objectdataprovider|<void\s+method="#,
    ),
];

/// A class that a key of JSON names.
const TYPE_RULES: &[Rule] = &[rule(
    "class_in_value",
    5,
    r"^(?:\[?l?(?:com\.sun|org\.apache|java\.(?:lang|net|util\.|io)|javax\.|ch\.qos|oracle\.|org\.springframework|com\.mchange|com\.zaxxer|net\.sf)[\w.$]*|system\.(?:diagnostics|windows|data|configuration|management)[\w.`]*)",
)];

/// Whether the base64 of a serialised object begins here: of Java, Python or .NET.
pub(super) fn begins_object(name: &[u8]) -> bool {
    let begins = |prefix: &[u8]| name.starts_with(prefix);
    begins(b"rO0AB") || begins(b"gASV") || begins(b"AAEAAAD/////")
}

/// The rules.
#[derive(Debug)]
pub(super) struct Serial {
    rules: Rules,
    types: Rules,
}

impl Serial {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
            types: Rules::new(TYPE_RULES)?,
        })
    }

    /// Looks for objects.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        if view.place == Place::Agent {
            return;
        }
        self.rules.each_match(view.bytes, |rule, start, end| {
            let score = if view.prose >= 8 || view.is_shown(start) {
                rule.score * 3 / 5
            } else {
                rule.score
            };
            found.add(Class::Serial, rule.name, score, start, end);
        });
        if matches!(view.name, b"@type" | b"$type" | b"@class" | b"class") {
            self.types.look(Class::Serial, view, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score, score_name};

    #[test]
    fn objects_are_found() {
        for value in [
            "rO0ABXNyABFqYXZhLnV0aWwu",
            "O:8:\"stdClass\":1:{s:1:\"a\";i:2;}",
            "gASVKAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU",
            "AAEAAAD/////AQAAAAAAAAAMAgAAAF9TeXN0ZW0",
            "!!python/object/apply:os.system ['id']",
            "{\"@type\":\"com.sun.rowset.JdbcRowSetImpl\"}",
            "_$$ND_FUNC$$_function(){}()",
            "cos\nsystem\n(S'id'\ntR.",
        ] {
            assert!(score(Class::Serial, value) >= 5, "{value}");
        }
    }

    #[test]
    fn an_object_sent_as_a_form_is_a_name() {
        assert!(score_name(Class::Serial, "rO0ABXNyABFqYXZhLnV0aWwu") >= 5);
        for name in ["rO0m", "customerName", "AAEAAAD", "gASoline"] {
            assert_eq!(score_name(Class::Serial, name), 0, "{name}");
        }
    }

    #[test]
    fn other_base64_and_notes_are_not() {
        for value in [
            "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4",
            "eyJhIjoxfQ==",
            "a:1, b:2, o:3",
            "{\"@type\":\"Person\",\"name\":\"Anna\"}",
            "JVBERi0xLjQKJcfsj6IKNSAwIG9iago8PC9MZW5ndGggNiAwIFI",
        ] {
            quiet(value);
        }
    }
}
