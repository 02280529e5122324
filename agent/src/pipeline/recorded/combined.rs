//! `combined`: access logs as nginx and Apache write them.
//!
//! ```text
//! client ident user [day/Mon/year:hour:minute:second zone] "METHOD target HTTP/1.1" status bytes "referer" "agent"
//! ```

use super::{Recorded, Row, RowError};
use crate::clock::WallTime;
use crate::event::parse_stamp;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Reads the line of this `number`.
///
/// # Errors
/// [`RowError`] if it is not of that form; the common form, without referer and agent, is too.
pub fn combined(line: &[u8], number: u64) -> Result<Row, RowError> {
    let form = RowError::Form("not a line of an access log");
    let Some(recorded) = read(line) else {
        return Err(form);
    };
    Ok(recorded.into_row(number))
}

fn read(line: &[u8]) -> Option<Recorded> {
    let (client, rest) = split(line, b' ')?;
    let open = memchr::memchr(b'[', rest)?;
    let (_, user) = split(rest.get(..open)?, b' ')?;
    let user = String::from_utf8_lossy(user.trim_ascii());
    let (date, rest) = split(rest.get(open + 1..)?, b']')?;
    let (request, rest) = quoted(rest)?;
    let mut words = rest.trim_ascii_start().splitn(3, |byte| *byte == b' ');
    let status = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let bytes = words
        .next()
        .and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
    let rest = words.next().unwrap_or_default();
    let (referer, rest) = quoted(rest).unwrap_or_default();
    let (agent, _) = quoted(rest).unwrap_or_default();
    let (method, target) = split(&request, b' ')?;
    // What no HTTP version follows is the target to its end.
    let end = memchr::memmem::rfind(target, b" HTTP/").unwrap_or(target.len());
    let mut fields = Vec::new();
    for (name, value) in [(&b"referer"[..], referer), (b"user-agent", agent)] {
        if !value.is_empty() && value != b"-" {
            fields.push((name.to_vec(), value));
        }
    }
    Some(Recorded {
        time: parse_date(date),
        client: std::str::from_utf8(client).ok()?.parse().ok(),
        method: method.to_vec(),
        target: target.get(..end)?.to_vec(),
        fields,
        status: Some(status),
        reply_bytes: bytes,
        user: (!matches!(&*user, "" | "-")).then(|| user.into_owned()),
        basic: true,
        ..Recorded::default()
    })
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = memchr::memchr(at, bytes)?;
    Some((bytes.get(..place)?, bytes.get(place + 1..)?))
}

/// What stands between quotes, with `\"`, `\\` and `\xNN` put back, and what follows.
fn quoted(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = bytes.get(memchr::memchr(b'"', bytes)? + 1..)?;
    let mut out = Vec::new();
    loop {
        match rest {
            [b'"', behind @ ..] => return Some((out, behind)),
            [b'\\', b'x', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                rest = behind;
            }
            [b'\\', byte @ (b'"' | b'\\'), behind @ ..] | [byte, behind @ ..] => {
                out.push(*byte);
                rest = behind;
            }
            [] => return None,
        }
    }
}

/// `10/Oct/2000:13:55:36 -0700`.
fn parse_date(date: &[u8]) -> Option<WallTime> {
    let (day, rest) = split(date, b'/')?;
    let (month, rest) = split(rest, b'/')?;
    let (year, rest) = split(rest, b':')?;
    let (clock, zone) = split(rest, b' ')?;
    let month = MONTHS.iter().position(|have| *have == month)? + 1;
    let (sign, zone) = zone.split_first()?;
    let (hours, minutes) = zone.split_at_checked(2)?;
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let stamp = format!(
        "{}-{month:02}-{}T{}{}{}:{}",
        text(year)?,
        text(day)?,
        text(clock)?,
        char::from(*sign),
        text(hours)?,
        text(minutes)?,
    );
    parse_stamp(stamp.as_bytes())
}
