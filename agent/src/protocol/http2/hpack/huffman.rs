//! The Huffman code of HPACK (RFC 7541 §5.2, Appendix B).
//!
//! The code is canonical: the codes of one length follow each other in the order of their bytes, and
//! the shorter ones come first. So the lengths say it all.

use super::Broken;

/// Bits of the code of each byte, and of the end of a string.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The end of a string, which may not stand in one.
const END: u16 = 256;
/// Bits of the longest code.
const LONGEST: usize = 30;
/// Bits by which a short code is looked up: those of nearly all text.
const FAST_BITS: u32 = 8;

/// What follows from the lengths.
struct Code {
    /// Symbol and length of the code that begins with these bits; a length of 0 is a longer code.
    fast: [(u16, u8); 1 << FAST_BITS],
    /// For each length, the first number, as the top of 32 bits, that is no code of it or shorter.
    limit: [u32; LONGEST + 1],
    /// For each length, where its first symbol stands among `symbols`, less its first code.
    base: [u32; LONGEST + 1],
    /// All symbols, shortest codes first.
    symbols: [u16; 257],
}

static CODE: Code = code();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks each place"
)]
const fn code() -> Code {
    let mut code = Code {
        fast: [(0, 0); 1 << FAST_BITS],
        limit: [0; LONGEST + 1],
        base: [0; LONGEST + 1],
        symbols: [0; 257],
    };
    let (mut next, mut count, mut length) = (0_u32, 0_u32, 1_usize);
    while length <= LONGEST {
        next <<= 1;
        code.base[length] = count.wrapping_sub(next);
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                code.symbols[count as usize] = symbol as u16;
                if length <= FAST_BITS as usize {
                    let spare = FAST_BITS - length as u32;
                    let mut at = next << spare;
                    while at < (next + 1) << spare {
                        code.fast[at as usize] = (symbol as u16, length as u8);
                        at += 1;
                    }
                }
                next += 1;
                count += 1;
            }
            symbol += 1;
        }
        // Of the longest all are in use: the number behind the last does not fit.
        code.limit[length] = if length == LONGEST {
            u32::MAX
        } else {
            next << (32 - length as u32)
        };
        length += 1;
    }
    code
}

/// Appends what `bytes` are the code of to `out`, at most 8/5 of their number.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    let (mut bits, mut have) = (0_u64, 0_u32);
    let mut rest = bytes;
    loop {
        while have <= 56
            && let Some((byte, behind)) = rest.split_first()
        {
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
            rest = behind;
        }
        if have == 0 {
            return Ok(());
        }
        let (symbol, length) = symbol((bits >> 32) as u32).ok_or(Broken::Huffman)?;
        if length > have {
            // Padding: less than a byte, all ones (RFC 7541 §5.2).
            let padding = have < 8 && bits >> (64 - have) == (1 << have) - 1;
            return if padding {
                Ok(())
            } else {
                Err(Broken::Huffman)
            };
        }
        if symbol == END {
            return Err(Broken::Huffman);
        }
        out.push(symbol as u8);
        bits <<= length;
        have -= length;
    }
}

/// The symbol that the top of `window` is the code of, and how many bits that is.
#[inline]
fn symbol(window: u32) -> Option<(u16, u32)> {
    let (symbol, length) = *CODE.fast.get((window >> (32 - FAST_BITS)) as usize)?;
    if length != 0 {
        return Some((symbol, u32::from(length)));
    }
    let longer = CODE.limit.iter().skip(FAST_BITS as usize + 1);
    let length = longer.take_while(|limit| window >= **limit).count() + FAST_BITS as usize + 1;
    let base = *CODE.base.get(length.min(LONGEST))?;
    let length = length.min(LONGEST) as u32;
    let at = (window >> (32 - length)).wrapping_add(base);
    Some((*CODE.symbols.get(at as usize)?, length))
}

#[cfg(test)]
mod tests {
    use super::{Broken, decode};

    #[track_caller]
    fn check(input: &[u8], expected: Result<&[u8], Broken>) {
        let mut out = Vec::new();
        let read = decode(input, &mut out);
        assert_eq!(read.map(|()| out.as_slice()), expected);
    }

    #[test]
    fn examples_of_the_rfc_are_read() {
        // RFC 7541 C.4.1, C.4.2, C.6.1.
        check(
            &[
                0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
            ],
            Ok(b"www.example.com"),
        );
        check(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], Ok(b"no-cache"));
        check(&[0x64, 0x02], Ok(b"302"));
        check(&[], Ok(b""));
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        check(&[0x07], Ok(b"0"));
        check(&[0x00], Err(Broken::Huffman));
        check(&[0x07, 0xff], Err(Broken::Huffman));
        check(&[0xff, 0xff, 0xff, 0xff], Err(Broken::Huffman));
        check(&[0xff], Err(Broken::Huffman));
    }
}
