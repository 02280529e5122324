//! The gate: one automaton over a value, which opens the grammars whose words stand in it. Most
//! values end here.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{
    code, directory, html, include, jndi, lines, nosql, path, prototype, serial, shell, sql,
    template, url, xml,
};

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
    "and ",
    " and(",
    ")and",
    "and'",
    "and\"",
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
    automaton: AhoCorasick,
    doors: Vec<Door>,
}

impl Gate {
    pub(super) fn new() -> Result<Self, aho_corasick::BuildError> {
        let tables: [(Door, &[&str]); 17] = [
            (Door::SqlWords, SQL_WORDS),
            (Door::Catalogue, sql::CATALOGUES),
            (Door::SqlWords, sql::LOUD_CALLS),
            (Door::Script, html::SCRIPT_GATE),
            (Door::Shell, shell::GATE),
            (Door::Code, code::GATE),
            (Door::Path, path::GATE),
            (Door::Url, url::GATE),
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
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words)?;
        Ok(Self { automaton, doors })
    }

    /// What `value` opens.
    pub(super) fn open(&self, value: &[u8]) -> Open {
        let mut open = Open::default();
        for hit in self.automaton.find_overlapping_iter(value) {
            let Some(door) = self.doors.get(hit.pattern().as_usize()) else {
                continue;
            };
            open.add(*door);
            if *door == Door::Catalogue {
                open.add(Door::SqlWords);
                open.catalogue_at = hit.end();
            }
        }
        let marks = Marks::of(value);
        if marks.separator || marks.brace && value.len() < BRACES_MAX {
            open.add(Door::Shell);
        }
        if marks.tag {
            open.add(Door::Tag);
        }
        if marks.equals && value.len() < 40 {
            open.add(Door::SqlWords);
        }
        let begins_handler = |at| matches!(value.get(at + 1), Some(b'n' | b'N'));
        let may_run = || {
            memchr::memchr2_iter(b'o', b'O', value).any(begins_handler)
                || memchr::memmem::find(value, b"srcdoc").is_some()
        };
        if marks.equals && may_run() {
            open.add(Door::Attribute);
        }
        open
    }
}

/// Bytes that open a grammar by themselves.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    separator: bool,
    tag: bool,
    equals: bool,
    brace: bool,
}

impl Marks {
    fn of(value: &[u8]) -> Self {
        let mut marks = Self::default();
        for byte in value {
            match byte {
                b';' | b'|' | b'`' | b'\n' | b'\\' | b'[' | b'?' | b'&' => marks.separator = true,
                b'<' => marks.tag = true,
                b'=' => marks.equals = true,
                b'{' => marks.brace = true,
                _ => {}
            }
        }
        marks
    }
}
