//! INJ-01 to INJ-14, which `score` finds in single values.

use crate::detect::row::{Family, Id, Row};
use crate::event::Severity;

/// The rows of the family.
pub(in crate::detect) const ROWS: [&Row; 14] = [
    &INJ_01, &INJ_02, &INJ_03, &INJ_04, &INJ_05, &INJ_06, &INJ_07, &INJ_08, &INJ_09, &INJ_10,
    &INJ_11, &INJ_12, &INJ_13, &INJ_14,
];

/// What all rows of the family have alike.
const INJECTION: Row = Row {
    id: Id::Inj01,
    name: "",
    family: Family::Injection,
    version: 1,
    impact: Severity::High,
    threshold: 1,
    window_s: 0,
    owasp: &["API8:2019"],
    cwe: &[],
    attack: &["T1190"],
    means: "",
    decides: "",
    fools: "",
    advice: "",
};

const INJ_01: Row = Row {
    id: Id::Inj01,
    name: "SQL injection",
    cwe: &[89],
    means: "A value holds a piece of SQL that would change the query it is put into.",
    decides: "Each value is decoded, then read as SQL in three contexts: bare, behind a single quote, behind a double quote. Words alone mean nothing; what counts is what a database would run. Confirmed by a database error or foreign rows in the answer.",
    fools: "Languages of databases that none of the three contexts fits; endpoints that carry SQL on purpose are learnt and weigh less.",
    advice: "If it was answered, send the same value with and without the quote and compare. Mend by parameters in place of text, then look for rows that left.",
    ..INJECTION
};

const INJ_02: Row = Row {
    id: Id::Inj02,
    name: "cross-site scripting",
    impact: Severity::Medium,
    cwe: &[79],
    attack: &["T1190", "T1059.007"],
    means: "A value holds what a browser would run.",
    decides: "The states of an HTML tokenizer (tag, handler, address of a script scheme), and calls of JavaScript where no tag is needed. Confirmed when the answer gives it back unescaped in a page.",
    fools: "Frameworks with templates of their own in the page.",
    advice: "See whether a page shows the value unescaped. Escape on output; set a Content-Security-Policy.",
    ..INJECTION
};

const INJ_03: Row = Row {
    id: Id::Inj03,
    name: "command injection",
    impact: Severity::Critical,
    cwe: &[78],
    attack: &["T1190", "T1059"],
    means: "A value holds a command for a shell or an interpreter.",
    decides: "Small grammars of shells and of the languages servers are written in. Confirmed by a child process of the server whose arguments hold the decoded value, or by its output in the answer.",
    fools: "Commands without any special character.",
    advice: "If confirmed, isolate the host: somebody runs programs on it. Else see whether the value reaches a shell.",
    ..INJECTION
};

const INJ_04: Row = Row {
    id: Id::Inj04,
    name: "path traversal and file inclusion",
    cwe: &[22, 98],
    means: "A value leads out of the folder it is meant for, or names a file to include.",
    decides: "Steps upwards in any encoding, files of systems, schemes of inclusion. Confirmed by the file's content in the answer, or by an open of the file by the server.",
    fools: "Names without a step upwards.",
    advice: "If confirmed, take what stands in the file for known. Resolve the path and compare it with the folder before opening.",
    ..INJECTION
};

const INJ_05: Row = Row {
    id: Id::Inj05,
    name: "server-side request forgery",
    owasp: &["API7:2023", "API8:2019"],
    cwe: &[918],
    attack: &["T1190", "T1552.005"],
    means: "A value is an address that the server is to call, inside your network or at a cloud's metadata.",
    decides: "Addresses of loopback, link-local, metadata and private ranges however they are written, and schemes other than http. Confirmed by a connection of the server to that address.",
    fools: "Names that resolve to such addresses.",
    advice: "If confirmed, replace the credentials of the host's role. Allow destinations by list.",
    ..INJECTION
};

const INJ_06: Row = Row {
    id: Id::Inj06,
    name: "NoSQL injection",
    cwe: &[943],
    means: "A value holds operators of a document database.",
    decides: "Operators in the place of values, in JSON and in bracketed parameters, and JavaScript for the database.",
    fools: "Interfaces that take such operators on purpose are learnt.",
    advice: "See whether the answer held more than it should. Take values as text.",
    ..INJECTION
};

const INJ_07: Row = Row {
    id: Id::Inj07,
    name: "template and expression injection",
    impact: Severity::Critical,
    cwe: &[1336, 917],
    attack: &["T1190", "T1059"],
    means: "A value holds an expression that a template engine would evaluate.",
    decides: "The delimiters of engines with an expression in them that only code has. Confirmed when the answer holds the result.",
    fools: "Engines with delimiters of their own.",
    advice: "If confirmed, code runs on the host. Never build templates from input.",
    ..INJECTION
};

const INJ_08: Row = Row {
    id: Id::Inj08,
    name: "XML external entity",
    cwe: &[611],
    means: "An XML document names an external entity.",
    decides: "A DOCTYPE or entity with SYSTEM or PUBLIC, or XInclude. Confirmed by a file opened or an address called.",
    fools: "Entities in documents that are not read as XML.",
    advice: "Switch external entities off in the parser.",
    ..INJECTION
};

const INJ_09: Row = Row {
    id: Id::Inj09,
    name: "JNDI lookup",
    impact: Severity::Critical,
    cwe: &[917],
    attack: &["T1190", "T1059"],
    means: "A value makes a Java logger fetch code (Log4Shell).",
    decides: "`${jndi:` after nested lookups are resolved. Confirmed by a connection of the server to the address in it.",
    fools: "Lookups in places that are not read.",
    advice: "If confirmed, isolate the host. Update the logger.",
    ..INJECTION
};

const INJ_10: Row = Row {
    id: Id::Inj10,
    name: "LDAP and XPath injection",
    cwe: &[90, 643],
    means: "A value changes a directory or XML query.",
    decides: "Filters and path expressions that close what stands before them.",
    fools: "Short fragments that mean nothing without the query.",
    advice: "See whether more was answered than should be. Escape values.",
    ..INJECTION
};

const INJ_11: Row = Row {
    id: Id::Inj11,
    name: "header and log injection",
    impact: Severity::Medium,
    cwe: &[93, 117],
    means: "A value holds a line break with a header field or a log line behind it.",
    decides: "A line break in any encoding, followed by a field name or the form of a log line. Confirmed when the answer has the field.",
    fools: "Line breaks in free text are no finding.",
    advice: "See whether the answer has the field. Refuse line breaks where values become fields.",
    ..INJECTION
};

const INJ_12: Row = Row {
    id: Id::Inj12,
    name: "unsafe deserialisation",
    impact: Severity::Critical,
    cwe: &[502],
    attack: &["T1190", "T1059"],
    means: "A value is a serialised object of a language that runs code as it reads one.",
    decides: "The marks of Java, PHP, Python, .NET and Ruby objects. Confirmed by a child process of the server.",
    fools: "Formats with other marks.",
    advice: "If confirmed, isolate the host. Take data formats without code.",
    ..INJECTION
};

const INJ_13: Row = Row {
    id: Id::Inj13,
    name: "prototype pollution",
    impact: Severity::Medium,
    cwe: &[1321],
    means: "A value sets properties of all JavaScript objects.",
    decides: "`__proto__` or `constructor.prototype` as the name of a member or parameter.",
    fools: "Other ways to the prototype.",
    advice: "Refuse such names; use objects without a prototype.",
    ..INJECTION
};

const INJ_14: Row = Row {
    id: Id::Inj14,
    name: "server-side include and Shellshock",
    cwe: &[97, 78],
    attack: &["T1190", "T1059"],
    means: "A value holds a directive of server-side includes, or a function definition for an old bash.",
    decides: "Directives with a known verb; `() {` with commands behind it in header fields. Confirmed by a child process.",
    fools: "Other forms.",
    advice: "Update bash; switch includes off.",
    ..INJECTION
};
