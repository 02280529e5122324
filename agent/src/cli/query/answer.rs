//! What is made of the records that match.

use super::table::Table;
use super::{Args, Format};
use crate::event::stamp;
use crate::filter::Fields;
use crate::query::{Form, Har, Histogram, Rows, Tally};

/// Columns where none are asked for.
const COLUMNS: &str = "time, client, user, method, host, path, status, duration, process";

/// Columns of the longest bar.
const BAR: u64 = 40;

/// The answer in the making.
pub(super) enum Answer {
    /// The records as they are.
    Whole,
    Rows(Rows),
    Table(Table),
    Har(Har),
    /// Counts by value, and how many rows are shown at most.
    Tally(Tally, usize, Look),
    Histogram(Histogram, Look),
}

/// How a sum is shown: to machines in a form, to people as a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    Form(Form),
    Table,
}

impl Answer {
    /// What `args` ask for.
    ///
    /// # Errors
    /// An archive holds exchanges, neither fields nor counts.
    pub(super) fn new(args: &Args, format: Format, colours: bool) -> anyhow::Result<Self> {
        let look = match format {
            Format::Table => Look::Table,
            Format::Json => Look::Form(Form::Json),
            Format::Csv => Look::Form(Form::Csv),
            Format::Tsv => Look::Form(Form::Tsv),
            Format::Har => {
                if args.fields.is_some() || args.count_by.is_some() || args.histogram.is_some() {
                    return Err(anyhow::anyhow!("an archive holds whole exchanges")
                        .context(super::Exit::Usage));
                }
                return Ok(Self::Har(Har::default()));
            }
        };
        if let Some(fields) = &args.count_by {
            let limit = args.limit.and_then(|limit| usize::try_from(limit).ok());
            let tally = Tally::new(fields.clone());
            return Ok(Self::Tally(tally, limit.unwrap_or(usize::MAX), look));
        }
        if let Some(width) = args.histogram {
            return Ok(Self::Histogram(Histogram::new(width.0)?, look));
        }
        let fields = || match &args.fields {
            Some(fields) => Ok(fields.clone()),
            None => Fields::parse(COLUMNS),
        };
        Ok(match look {
            Look::Table => Self::Table(Table::new(fields()?, args.fields.is_none(), colours)?),
            Look::Form(Form::Json) if args.fields.is_none() => Self::Whole,
            Look::Form(form) => Self::Rows(Rows::new(fields()?, form)),
        })
    }

    /// The usual columns, for people.
    ///
    /// # Errors
    /// Never: the fields are known.
    pub(super) fn columns(colours: bool) -> anyhow::Result<Self> {
        Ok(Self::Table(Table::new(
            Fields::parse(COLUMNS)?,
            true,
            colours,
        )?))
    }

    /// Whether it is known only when all is read.
    pub(super) const fn is_sum(&self) -> bool {
        matches!(self, Self::Tally(..) | Self::Histogram(..))
    }

    /// Appends what comes before the first record.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Rows(rows) => rows.names(out),
            Self::Table(table) => table.names(out),
            Self::Har(har) => har.begin(out),
            Self::Whole | Self::Tally(..) | Self::Histogram(..) => {}
        }
    }

    /// Takes one record.
    pub(super) fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Whole => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            Self::Rows(rows) => rows.row(line, out),
            Self::Table(table) => table.row(line, out),
            Self::Har(har) => har.entry(line, out),
            Self::Tally(tally, ..) => tally.add(line),
            Self::Histogram(histogram, _) => histogram.add(line),
        }
    }

    /// Appends what comes behind the last record. Answers with how many records a sum leaves out.
    pub(super) fn end(&self, out: &mut Vec<u8>) -> u64 {
        match self {
            Self::Har(har) => har.end(out),
            Self::Tally(tally, limit, look) => {
                tallied(tally, *limit, *look, out);
                return tally.other();
            }
            Self::Histogram(histogram, look) => {
                stretches(histogram, *look, out);
                return histogram.other();
            }
            Self::Whole | Self::Rows(_) | Self::Table(_) => {}
        }
        0
    }
}

fn tallied(tally: &Tally, limit: usize, look: Look, out: &mut Vec<u8>) {
    let names = [tally.names(), &["count".to_owned()]].concat();
    let rows = tally.rows(limit).into_iter().map(|row| {
        let count = Some(row.count.to_string());
        row.values.into_iter().chain([count]).collect::<Vec<_>>()
    });
    match look {
        Look::Form(form) => {
            form.names(&names, out);
            for row in rows {
                let cells = row.into_iter().map(|cell| Some(cell?.into_bytes().into()));
                form.values(&names, cells, out);
            }
        }
        Look::Table => Table::sums(&names, rows.collect(), out),
    }
}

fn stretches(histogram: &Histogram, look: Look, out: &mut Vec<u8>) {
    let names = ["time", "count"].map(str::to_owned);
    let rows = histogram.rows();
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let date = |time| format!("\"{}\"", String::from_utf8_lossy(&stamp(time)));
    match look {
        Look::Form(form) => {
            form.names(&names, out);
            for (time, count) in rows {
                let cells = [date(time), count.to_string()];
                let cells = cells.into_iter().map(|cell| Some(cell.into_bytes().into()));
                form.values(&names, cells, out);
            }
        }
        Look::Table => {
            let row = |(time, count): &(_, u64)| {
                let length = count.saturating_mul(BAR).div_ceil(most.max(1));
                let bar = "█".repeat(usize::try_from(length).unwrap_or(0));
                vec![
                    Some(date(*time)),
                    Some(count.to_string()),
                    Some(format!("\"{bar}\"")),
                ]
            };
            let names = [&names[..], &[String::new()]].concat();
            Table::sums(&names, rows.iter().map(row).collect(), out);
        }
    }
}
