//! The gate: one automaton over a value, which opens the grammars whose words stand in it. Most
//! values end here.

use aho_corasick::BuildError;

use super::automaton::Automaton;
use super::{
    code, directory, html, include, jndi, lines, nosql, path, prototype, serial, shell, sql,
    template, url, xml,
};
use crate::bytes::table;

/// A grammar that the gate opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Door {
    SqlWords,
    Catalogue,
    Tag,
    Attribute,
    Script,
    Shell,
    Code,
    Path,
    Url,
    NoSql,
    Template,
    Xml,
    Jndi,
    Directory,
    Lines,
    Serial,
    Prototype,
    Include,
}

/// Which grammars a value opens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    doors: u32,
    /// Where a name of a database's catalogue ends.
    pub(super) catalogue_at: usize,
    /// Whether it has a quote, or a character that may become one.
    pub(super) quote: bool,
}

impl Open {
    pub(super) const fn has(self, door: Door) -> bool {
        self.doors & (1 << door as u32) != 0
    }

    const fn add(&mut self, door: Door) {
        self.doors |= 1 << door as u32;
    }

    pub(super) const fn is_shut(self) -> bool {
        self.doors == 0
    }
}

/// Values shorter than this may be words that a shell makes of braces.
const BRACES_MAX: usize = 48;

/// Words after which SQL is read bare. Those that sentences have too are read with what stands
/// around them.
const SQL_WORDS: &[&str] = &[
    "select",
    "union",
    "or ",
    " or(",
    ")or",
    "or'",
    "or\"",
    "or`",
    "and ",
    " and(",
    ")and",
    "and'",
    "and\"",
    "and`",
    "/or/",
    "/and/",
    "*/or",
    "*/and",
    "||",
    "&&",
    "having",
    "order by",
    "order/*",
    "group by",
    "insert into",
    "insert/*",
    "update ",
    "delete from",
    "drop ",
    "drop/*",
    "truncate ",
    "truncate[",
    "drop[",
    "alter[",
    "exec[",
    "/**/",
    "alter ",
    "create ",
    "exec ",
    "exec(",
    "execute ",
    "declare",
    "waitfor",
    "shutdown",
    "benchmark",
    "sleep",
    "randomblob",
    "char(",
    "chr(",
    "concat",
    "ascii(",
    "substr",
    "sin(",
    "cos(",
    "version()",
    "database()",
    "user()",
    "load_file",
    "outfile",
    "dumpfile",
    "/*!",
    "1.e",
    "0x",
    "procedure",
    "xor",
    "rlike",
    "regexp",
    "if(",
    "cast(",
    "convert(",
    "updatexml",
    "extractvalue",
    "pi()",
    "binary",
    "merge ",
    "replace/*",
    "replace ",
    "handler ",
    "begin ",
    "set @",
    "elt(",
    "\tor\t",
    "\nor\n",
    "or+",
    "or\t",
    "\nand",
    " limit ",
    "like ",
    "coalesce",
    "count(",
    "nullif",
    "case when",
    "@@",
    "%a0or",
    "\u{a0}or",
    "mod(",
    "row(",
    "not ",
    "sysdate",
    "json_",
    "xmltype",
    "generate_series",
    "group_concat",
    "pg_",
    "1or",
    "1and",
    "dbms",
    " eqv ",
    " imp ",
    "between ",
    "is null",
    "or 1",
    "or true",
    "glob",
    "--",
    "delete ",
    "insert ",
    "backup database",
    "find_in_set",
    "except",
    ") as ",
    " as \"",
    " as '",
    " as `",
    "from `",
    "`;",
    ")like",
    ") when",
    "database(",
    "db_name(",
    "current_user",
    "values",
    "::",
];

/// The automaton, and what each of its words opens.
#[derive(Debug)]
pub(super) struct Gate {
    automaton: Automaton,
    doors: Vec<Door>,
}

impl Gate {
    pub(super) fn new() -> Result<Self, BuildError> {
        let tables: [(Door, &[&str]); 18] = [
            (Door::SqlWords, SQL_WORDS),
            (Door::Catalogue, sql::CATALOGUES),
            (Door::SqlWords, sql::LOUD_CALLS),
            (Door::Script, html::SCRIPT_GATE),
            (Door::Shell, shell::GATE),
            (Door::Code, code::GATE),
            (Door::Path, path::GATE),
            (Door::Url, url::GATE),
            (Door::Url, url::MARKS),
            (Door::NoSql, nosql::GATE),
            (Door::Template, template::GATE),
            (Door::Xml, xml::GATE),
            (Door::Jndi, jndi::GATE),
            (Door::Directory, directory::GATE),
            (Door::Lines, lines::GATE),
            (Door::Serial, serial::GATE),
            (Door::Prototype, prototype::GATE),
            (Door::Include, include::GATE),
        ];
        let mut words: Vec<String> = Vec::new();
        let mut doors = Vec::new();
        for (door, table) in tables {
            words.extend(table.iter().map(|word| (*word).to_owned()));
            doors.resize(words.len(), door);
        }
        // A program's name and a space, for values that are a command as a whole.
        words.extend(shell::programs().map(|name| format!("{name} ")));
        doors.resize(words.len(), Door::Shell);
        let automaton = Automaton::new(words)?;
        Ok(Self { automaton, doors })
    }

    /// What `value` opens.
    pub(super) fn open(&self, value: &[u8]) -> Open {
        let mut open = Open::default();
        self.automaton.each(value, |word, end| {
            let Some(door) = self.doors.get(word) else {
                return;
            };
            open.add(*door);
            if *door == Door::Catalogue {
                open.add(Door::SqlWords);
                open.catalogue_at = end;
            }
        });
        let marks = marks_of(value);
        let has = |mark: u8| marks & mark != 0;
        open.quote = has(QUOTE);
        if has(SEPARATOR) || has(BRACE) && value.len() < BRACES_MAX {
            open.add(Door::Shell);
        }
        if has(TAG) {
            open.add(Door::Tag);
        }
        if has(EQUALS) && value.len() < 40 {
            open.add(Door::SqlWords);
        }
        let begins_handler = |at| matches!(value.get(at + 1), Some(b'n' | b'N'));
        let may_run = || {
            memchr::memchr2_iter(b'o', b'O', value).any(begins_handler)
                || memchr::memmem::find(value, b"srcdoc").is_some()
        };
        if has(EQUALS) && may_run() {
            open.add(Door::Attribute);
        }
        open
    }
}

/// Bytes that open a grammar by themselves.
const SEPARATOR: u8 = 1;
const TAG: u8 = 1 << 1;
const EQUALS: u8 = 1 << 2;
const BRACE: u8 = 1 << 3;
/// A quote, or what is no ASCII.
const QUOTE: u8 = 1 << 4;

/// What each byte is of these.
static MARKS: [u8; 256] = table!(u8, {
    b';' | b'|' | b'`' | b'\n' | b'\\' | b'[' | b'?' | b'&' => SEPARATOR,
    b'<' => TAG,
    b'=' => EQUALS,
    b'{' => BRACE,
    b'\'' | b'"' | 0x80.. => QUOTE,
    _ => 0,
});

/// What `value` has of them.
fn marks_of(value: &[u8]) -> u8 {
    let mark = |byte: &u8| MARKS.get(usize::from(*byte)).copied().unwrap_or_default();
    value.iter().fold(0, |marks, byte| marks | mark(byte))
}
