//! Mistakes in a file, and how they are shown: place, key, what is wrong, and the line itself.

use std::fmt;

/// Where something stands; lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the file or variable, in the order in which they are read.
    pub source: usize,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
    /// How many characters it takes; 0 for what only has a beginning.
    pub chars: usize,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// The key, `capture.exclude.ports[1]`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub what: String,
}

/// Keys under which secrets stand, for files that cannot be read as YAML and keys that are misspelt.
pub(super) const SECRETS: &[&str] = &[
    "password",
    "secret",
    "token",
    "bearer",
    "routing_key",
    "value",
];

/// What stands in a report for each character of a secret.
const HIDDEN: char = '*';

/// Mistakes that are told at most; beyond, only how many.
const MISTAKES_MAX: usize = 100;

/// The mistakes of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// The first of them, at least one.
    pub told: Vec<Mistake>,
    /// How many more there are.
    pub beyond: usize,
    /// Where secrets stand, which no report shows.
    hidden: Vec<Place>,
}

impl Mistakes {
    /// One more.
    pub(super) fn add(&mut self, mistake: Mistake) {
        if self.told.len() < MISTAKES_MAX {
            self.told.push(mistake);
        } else {
            self.beyond += 1;
        }
    }

    /// Where a secret stands.
    pub(super) fn hide(&mut self, place: Place) {
        self.hidden.push(place);
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.told.len() + self.beyond
    }
}

/// Every mistake, in the order in which a configuration is read, as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    mistakes: Mistakes,
    /// The name of each source, and its lines up to the last that is shown.
    sources: Vec<(String, Vec<String>)>,
}

/// Characters of a line that are shown at most.
const LINE_CHARS: usize = 100;

impl Report {
    /// A report on `sources`, each its name and its text.
    #[must_use]
    pub fn new<'s>(
        sources: impl IntoIterator<Item = (&'s str, &'s str)>,
        mut mistakes: Mistakes,
    ) -> Self {
        let order = |mistake: &Mistake| (mistake.place, mistake.key.clone());
        mistakes.told.sort_by_key(order);
        let numbered = sources.into_iter().enumerate();
        let sources = numbered.map(|(number, (name, text))| {
            let here = |place: &Place| place.source == number;
            let told = mistakes.told.iter().map(|mistake| mistake.place);
            let last = told.filter(here).map(|place| place.line).max();
            let shown = text.lines().take(last.unwrap_or(0)).map(shown);
            let mut lines: Vec<String> = shown.collect();
            let hidden = mistakes.hidden.iter().copied().filter(here);
            hidden.for_each(|place| hide(&mut lines, place));
            (name.to_owned(), lines)
        });
        Self {
            sources: sources.collect(),
            mistakes,
        }
    }

    /// Each mistake that is told, in one line without its excerpt.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.mistakes.told.iter().map(|mistake| {
            let Mistake { place, key, what } = mistake;
            let name = self.name(*place);
            let key = if key.is_empty() {
                String::new()
            } else {
                format!("{key}: ")
            };
            format!("{name}:{}:{}: {key}{what}", place.line, place.column)
        })
    }

    /// The first mistake, and how many more there are.
    #[must_use]
    pub fn summary(&self) -> String {
        let first = self.lines().next().unwrap_or_default();
        match self.mistakes.count() {
            0 | 1 => first,
            2 => format!("{first} (and one more mistake)"),
            count => format!("{first} (and {} more mistakes)", count - 1),
        }
    }

    fn name(&self, place: Place) -> &str {
        let source = self.sources.get(place.source);
        source.map_or("", |(name, _)| name.as_str())
    }

    fn excerpt(&self, place: Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.sources.get(place.source).map(|(_, lines)| lines);
        let at = place.line.checked_sub(1);
        let Some(line) = lines.zip(at).and_then(|(lines, at)| lines.get(at)) else {
            return Ok(());
        };
        let column = place.column.max(1) - 1;
        // A long line is shown from where the mistake comes into view.
        let skip = column.saturating_sub(LINE_CHARS - 20);
        let part: String = line.chars().skip(skip).take(LINE_CHARS).collect();
        let left = part.chars().count().saturating_sub(column - skip);
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let before = " ".repeat(column - skip);
        let carets = "^".repeat(place.chars.min(left).max(1));
        write!(
            f,
            "\n  {margin} |\n  {number} | {part}\n  {margin} | {before}{carets}"
        )
    }
}

/// Hides what stands at `place`, on the lines behind too if it is that long.
fn hide(lines: &mut [String], place: Place) {
    let (mut skip, mut left) = (place.column.max(1) - 1, place.chars.max(1));
    for line in lines.iter_mut().skip(place.line.max(1) - 1) {
        let chars = line.chars().enumerate();
        let hidden = chars.map(|(at, c)| {
            let inside = at >= skip && at - skip < left && c != ' ';
            if inside { HIDDEN } else { c }
        });
        let hidden: String = hidden.collect();
        left = left.saturating_sub((line.chars().count() + 1).saturating_sub(skip));
        *line = hidden;
        skip = 0;
        if left == 0 {
            return;
        }
    }
}

/// Hides what stands behind a secret's key, as far as a line shows that without being understood.
fn guarded(line: &str) -> String {
    let mut out = line.to_owned();
    for key in SECRETS {
        let mut from = 0;
        while let Some(at) = out.get(from..).and_then(|rest| rest.find(key)) {
            from += at + key.len();
            let rest = out.get(from..).unwrap_or_default();
            let behind = rest.trim_start_matches(['"', '\'']).trim_start();
            let Some(value) = behind.strip_prefix(':').map(str::trim_start) else {
                continue;
            };
            if value.trim_start_matches(['"', '\'']).starts_with("${") {
                continue;
            }
            let end = value.find([',', '}']).unwrap_or(value.len());
            let start = out.len() - value.len();
            let hidden = value.get(..end).unwrap_or_default().chars();
            let hidden: String = hidden.map(|c| if c == ' ' { c } else { HIDDEN }).collect();
            let mut guarded = out.get(..start).unwrap_or_default().to_owned();
            guarded.push_str(&hidden);
            from = guarded.len();
            guarded.push_str(value.get(end..).unwrap_or_default());
            out = guarded;
        }
    }
    out
}

/// A line without what would move the cursor: one character stays one character.
fn shown(line: &str) -> String {
    let line = guarded(line);
    let plain = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    line.chars().map(plain).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Mistake { place, key, what } in &self.mistakes.told {
            write!(f, "{}:{}:{}: ", self.name(*place), place.line, place.column)?;
            if !key.is_empty() {
                write!(f, "{key}: ")?;
            }
            f.write_str(what)?;
            self.excerpt(*place, f)?;
            f.write_str("\n\n")?;
        }
        let mut wrong: Vec<&str> = Vec::new();
        for mistake in &self.mistakes.told {
            let name = self.name(mistake.place);
            if wrong.last() != Some(&name) {
                wrong.push(name);
            }
        }
        let places = wrong.join(", ");
        match self.mistakes.count() {
            1 => write!(f, "one mistake in {places}"),
            count if self.mistakes.beyond > 0 => write!(
                f,
                "{count} mistakes in {places}; the first {MISTAKES_MAX} are told"
            ),
            count => write!(f, "{count} mistakes in {places}"),
        }
    }
}
