//! The wire of protobuf (protobuf.dev, "Encoding"): fields off the front of a message.

/// Largest number of a field.
const NUMBER_MAX: u64 = (1 << 29) - 1;

/// It is no message of protobuf.
#[derive(Debug)]
pub(super) struct Broken;

/// What stands behind a field's tag.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed32,
    Fixed64,
    Bytes(&'a [u8]),
}

/// What is left at the end of a message, where its rest is cut off.
pub(super) fn end(bytes: &[u8]) -> Result<&[u8], Broken> {
    let mut rest = bytes;
    while next(&mut rest)?.is_some() {}
    Ok(rest)
}

/// The next field off the front of `rest`; `None` at its end, or where its rest is cut off, which then
/// stays.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<(u64, Value<'a>)>, Broken> {
    let mut input = *rest;
    let Some(tag) = varint(&mut input)? else {
        return Ok(None);
    };
    let number = tag >> 3;
    if number == 0 || number > NUMBER_MAX {
        return Err(Broken);
    }
    let value = match tag & 7 {
        0 => varint(&mut input)?.map(Value::Varint),
        1 => split(&mut input, 8).map(|_| Value::Fixed64),
        2 => match varint(&mut input)? {
            Some(length) => split(&mut input, length).map(Value::Bytes),
            None => None,
        },
        5 => split(&mut input, 4).map(|_| Value::Fixed32),
        // Groups are of protobuf's first version, and no service of gRPC has them.
        _ => return Err(Broken),
    };
    let Some(value) = value else {
        return Ok(None);
    };
    *rest = input;
    Ok(Some((number, value)))
}

/// A number of seven bits a byte, the lowest first; `None` if its end is cut off.
pub(super) fn varint(input: &mut &[u8]) -> Result<Option<u64>, Broken> {
    let mut number = 0_u64;
    for (at, byte) in input.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at).min(63);
        if byte & 0x80 == 0 {
            *input = input.get(at + 1..).unwrap_or_default();
            return Ok(Some(number));
        }
    }
    if input.len() < 10 {
        Ok(None)
    } else {
        Err(Broken)
    }
}

fn split<'a>(input: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (front, rest) = input.split_at_checked(usize::try_from(length).ok()?)?;
    *input = rest;
    Some(front)
}
