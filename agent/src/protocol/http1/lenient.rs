//! A head as common servers take it where it is not by the book, and what is odd about it.

use super::head::Parsed;
use super::step::{Limits, Side};
use crate::protocol::{Anomalies, Anomaly, Head, Version};
use eaves_common::is_tchar;

/// Reads the head in `bytes`: lines up to the empty one, which may be absent. Folded lines are
/// joined by a space. At most `limits.fields` fields are kept.
///
/// `None` if the first line is no request or status line of HTTP/1.
pub(super) fn lenient(side: Side, bytes: &[u8], limits: &Limits) -> Option<Parsed> {
    let (line, rest) = split_line(bytes);
    let mut parsed = Parsed::default();
    parsed.head.buffer.reserve_exact(bytes.len());
    ended_bare(line, &mut parsed.anomalies);
    let line = content(line);
    match side {
        Side::Request => request_line(line, &mut parsed)?,
        Side::Response => status_line(line, &mut parsed)?,
    }
    fields(rest, &mut parsed.head, &mut parsed.anomalies, limits.fields);
    parsed.head.buffer.shrink_to_fit();
    Some(parsed)
}

/// Whether the first line of `bytes`, which is there in full, can begin a message.
pub(super) fn first_line(side: Side, bytes: &[u8]) -> bool {
    let line = content(split_line(bytes).0);
    let mut parsed = Parsed::default();
    match side {
        Side::Request => request_line(line, &mut parsed),
        Side::Response => status_line(line, &mut parsed),
    }
    .is_some()
}

/// Reads field lines up to the empty one into `head`.
pub(super) fn fields(bytes: &[u8], head: &mut Head, anomalies: &mut Anomalies, max: usize) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let line;
        (line, rest) = split_line(rest);
        ended_bare(line, anomalies);
        let line = content(line);
        if line.is_empty() {
            return;
        }
        field(line, head, anomalies, max);
    }
}

/// Reads one line, without its end, into `head`.
pub(super) fn field(line: &[u8], head: &mut Head, anomalies: &mut Anomalies, max: usize) {
    if line
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        anomalies.add(Anomaly::ControlByte);
    }
    if line.first().is_some_and(is_blank) {
        return fold(trim(line), head, anomalies);
    }
    if head.fields.len() >= max {
        return anomalies.add(Anomaly::TooManyFields);
    }
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = match colon {
        Some(at) => (line.get(..at), line.get(at + 1..)),
        None => (Some(line), None),
    };
    let (name, value) = (name.unwrap_or_default(), value.unwrap_or_default());
    let bare = name.trim_ascii_end();
    if bare.len() != name.len() && colon.is_some() {
        anomalies.add(Anomaly::FieldNameWhitespace);
    }
    if colon.is_none() || bare.is_empty() || !bare.iter().all(|byte| is_tchar(*byte)) {
        anomalies.add(Anomaly::InvalidField);
    }
    let name = head.keep(bare);
    let value = head.keep(trim(value));
    head.fields.push((name, value));
}

/// Joins a folded line to the value before it.
fn fold(line: &[u8], head: &mut Head, anomalies: &mut Anomalies) {
    anomalies.add(Anomaly::ObsFold);
    let end = head.buffer.len();
    let Some((_, value)) = head.fields.last_mut() else {
        return anomalies.add(Anomaly::InvalidField);
    };
    if line.is_empty() || (value.start as usize).saturating_add(value.len as usize) != end {
        return;
    }
    head.buffer.push(b' ');
    head.buffer.extend_from_slice(line);
    value.len = value
        .len
        .saturating_add(u32::try_from(line.len() + 1).unwrap_or(0));
}

/// `METHOD target HTTP/1.x`, parted by any whitespace; the target may hold some.
fn request_line(line: &[u8], parsed: &mut Parsed) -> Option<()> {
    let method_end = line.iter().position(is_blank)?;
    let (method, rest) = line.split_at_checked(method_end)?;
    if method.is_empty() || !method.iter().all(|byte| is_tchar(*byte)) {
        return None;
    }
    let version_at = rest.trim_ascii_end().iter().rposition(is_blank)?;
    let (target, version) = rest.split_at_checked(version_at)?;
    parsed.version = Some(read_version(version.trim_ascii(), &mut parsed.anomalies)?);
    let bare = trim(target);
    if bare.is_empty() {
        return None;
    }
    let one_space = target.strip_prefix(b" ") == Some(bare);
    if !one_space || version.len() != 9 || !version.starts_with(b" ") || bare.iter().any(is_blank) {
        parsed.anomalies.add(Anomaly::LineWhitespace);
    }
    if target_is_odd(bare) {
        parsed.anomalies.add(Anomaly::TargetNotAscii);
    }
    if line.iter().any(u8::is_ascii_control) {
        parsed.anomalies.add(Anomaly::ControlByte);
    }
    parsed.head.word = parsed.head.keep(method);
    parsed.head.target = parsed.head.keep(bare);
    Some(())
}

/// `HTTP/1.x NNN reason`.
fn status_line(line: &[u8], parsed: &mut Parsed) -> Option<()> {
    let version_end = line.iter().position(is_blank)?;
    let (version, rest) = line.split_at_checked(version_end)?;
    parsed.version = Some(read_version(version, &mut parsed.anomalies)?);
    let bare = rest.trim_ascii_start();
    let (code, reason) = bare.split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) || !reason.first().is_none_or(is_blank) {
        return None;
    }
    let digits = code.iter().map(|digit| u16::from(digit - b'0'));
    parsed.status = digits.fold(0, |sum, digit| sum * 10 + digit);
    if parsed.status < 100 {
        return None;
    }
    if rest.strip_prefix(b" ") != Some(bare) {
        parsed.anomalies.add(Anomaly::LineWhitespace);
    }
    if reason
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        parsed.anomalies.add(Anomaly::ControlByte);
    }
    parsed.head.word = parsed
        .head
        .keep(reason.strip_prefix(b" ").unwrap_or(reason));
    Some(())
}

/// `HTTP/1.` and a digit.
fn read_version(word: &[u8], anomalies: &mut Anomalies) -> Option<Version> {
    match word.strip_prefix(b"HTTP/1.")? {
        b"0" => Some(Version::Http10),
        b"1" => Some(Version::Http11),
        [digit] if digit.is_ascii_digit() => {
            anomalies.add(Anomaly::OddVersion);
            Some(Version::Http11)
        }
        _ => None,
    }
}

/// Whether a byte beyond ASCII stands in `target`.
pub(super) fn target_is_odd(target: &[u8]) -> bool {
    !target.is_ascii()
}

/// The first line with its LF, and what follows.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let end = end.map_or(bytes.len(), |at| at + 1);
    bytes.split_at_checked(end).unwrap_or((bytes, b""))
}

/// A line without its end.
pub(super) fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Marks a line that ends in LF alone.
pub(super) fn ended_bare(line: &[u8], anomalies: &mut Anomalies) {
    if line.ends_with(b"\n") && !line.ends_with(b"\r\n") {
        anomalies.add(Anomaly::BareLf);
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without spaces and tabs at either end.
fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes
        .iter()
        .position(|byte| !is_blank(byte))
        .unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|byte| !is_blank(byte))
        .map_or(start, |at| at + 1);
    bytes.get(start..end).unwrap_or_default()
}
