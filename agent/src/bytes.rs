//! Tables of what each byte is, made when the agent is compiled.

/// A table of 256: what the match says of each byte.
///
/// The place of each is its byte: `table!(bool, { b'0'..=b'9' => true, _ => false })`.
macro_rules! table {
    ($of:ty, { $($bytes:pat => $is:expr),+ $(,)? }) => {{
        const fn is(byte: u8) -> $of {
            match byte {
                $($bytes => $is,)+
            }
        }
        let mut all = [is(0); 256];
        let (mut rest, mut byte) = (all.as_mut_slice(), 0_u8);
        while let Some((slot, behind)) = rest.split_first_mut() {
            *slot = is(byte);
            (rest, byte) = (behind, byte.wrapping_add(1));
        }
        all
    }};
}

pub(crate) use table;

/// Longest name that anybody chooses, bytes.
const CHOSEN_MAX_BYTES: usize = 40;

/// Most digits of such a name.
const CHOSEN_MAX_DIGITS: usize = 4;

/// Whether `name` is one that somebody chose for a field: values stand in the place of names too, an
/// address or a number by which a map is kept.
#[must_use]
pub(crate) fn is_chosen(name: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let digits = name.iter().filter(|byte| byte.is_ascii_digit()).count();
    name.len() <= CHOSEN_MAX_BYTES && digits <= CHOSEN_MAX_DIGITS && name.iter().all(fits)
}

#[cfg(test)]
mod tests {
    static HALVES: [u8; 256] = table!(u8, { 0..128 => 1, b'\xff' => 3, _ => 2 });

    #[test]
    fn each_byte_has_its_own_place() {
        let expected = |byte: u8| match byte {
            0..128 => 1,
            255 => 3,
            _ => 2,
        };
        assert!((0..=u8::MAX).all(|byte| HALVES[usize::from(byte)] == expected(byte)));
    }
}
