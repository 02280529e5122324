//! How deep the stack of the kernel programs is. A program and what it calls have 512 bytes together,
//! and each function takes a multiple of 32 (`check_max_stack_depth` of the verifier, until Linux 6.8;
//! later ones, which round to 16, take more): the machine that builds may take what older kernels refuse.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SymbolKind};

/// Bytes that a program and what it calls may take (`MAX_BPF_STACK`).
const STACK_MAX: u64 = 512;
/// Functions that may be called within each other, the program among them (`MAX_CALL_FRAMES`).
const FRAMES_MAX: usize = 8;
/// What each takes is a multiple of this.
const ROUND: u64 = 32;

/// Bytes of an instruction.
const WIDTH: usize = 8;
/// The register that holds the end of the frame.
const FRAME: u8 = 10;
/// `call`, and what its source register says where it calls a function of the object.
const CALL: u8 = 0x85;
const OF_OURS: u8 = 1;
/// `r = imm64`, of two instructions.
const LOAD_64: u8 = 0x18;
/// `r = r`, and `r += imm`.
const MOVE: u8 = 0xbf;
const ADD: u8 = 0x07;

/// A function: its bytes of stack, and whom it calls.
#[derive(Debug, Default, PartialEq, Eq)]
struct Function {
    name: String,
    stack: u64,
    calls: BTreeSet<Place>,
}

/// Section and place in it where a function begins.
type Place = (usize, u64);

/// Refuses an object in which a program goes too deep.
///
/// # Errors
/// It does, or the object cannot be read.
pub(super) fn check(object: &[u8]) -> Result<()> {
    let functions = read(object)?;
    for place in functions.keys() {
        let (bytes, names) = deepest(&functions, *place, &mut Vec::new())?;
        if bytes > STACK_MAX {
            bail!(
                "the kernel programs need {bytes} bytes of stack of {STACK_MAX}, which Linux 5.10 to 6.8 \
                 refuse: {}",
                names.join(" calls ")
            );
        }
    }
    Ok(())
}

/// Most bytes that the function at `place` takes with what it calls, and the functions of that way.
fn deepest(
    functions: &BTreeMap<Place, Function>,
    place: Place,
    above: &mut Vec<Place>,
) -> Result<(u64, Vec<String>)> {
    let function = functions.get(&place).context("a call leads nowhere")?;
    if above.len() >= FRAMES_MAX || above.contains(&place) {
        bail!("{} is called too deep", function.name);
    }
    above.push(place);
    let mut most = (0, Vec::new());
    for called in &function.calls {
        most = most.max(deepest(functions, *called, above)?);
    }
    above.pop();
    let own = function.stack.max(1).next_multiple_of(ROUND);
    let mut names = vec![format!("{} ({own})", function.name)];
    names.extend(most.1);
    Ok((own + most.0, names))
}

/// The functions of an object.
fn read(bytes: &[u8]) -> Result<BTreeMap<Place, Function>> {
    let file = object::File::parse(bytes).context("the kernel object cannot be read")?;
    let mut functions = BTreeMap::new();
    for symbol in file.symbols() {
        let Some(section) = symbol.section_index().filter(|_| symbol.size() > 0) else {
            continue;
        };
        if symbol.kind() != SymbolKind::Text {
            continue;
        }
        let within = file.section_by_index(section)?;
        let code = within
            .data_range(symbol.address(), symbol.size())?
            .context("a function outside of its section")?;
        let mut function = scan(code);
        function.name = symbol.name()?.to_owned();
        let calls = std::mem::take(&mut function.calls);
        for (at, ahead) in calls.into_iter().map(|(at, ahead)| (at as u64, ahead)) {
            let at = symbol.address() + at;
            let named = within.relocations().find(|(place, _)| *place == at);
            let target = match named.map(|(_, to)| to.target()) {
                Some(RelocationTarget::Symbol(index)) => {
                    let to = file.symbol_by_index(index)?;
                    let section = to.section_index().context("a call of what is not there")?;
                    // Of a section's own symbol the instruction says how far in.
                    let inside = if to.kind() == SymbolKind::Section {
                        beyond(0, ahead)
                    } else {
                        to.address()
                    };
                    (section.0, inside)
                }
                _ => (section.0, beyond(at, ahead)),
            };
            function.calls.insert(target);
        }
        functions.insert((section.0, symbol.address()), function);
    }
    Ok(functions)
}

/// Where a call at `at` leads by its number, which counts instructions from the next one on.
fn beyond(at: u64, ahead: u64) -> u64 {
    at.wrapping_add(ahead.wrapping_add(1).wrapping_mul(WIDTH as u64))
}

/// What a function's code says: its stack, and for each call where it stands and its number, with its
/// sign in all 64 bits.
fn scan(code: &[u8]) -> Function {
    let mut function = Function::default();
    // Bytes from the end of the frame, of each register that points into it.
    let mut into: BTreeMap<u8, i64> = BTreeMap::from([(FRAME, 0)]);
    let mut skip = false;
    for (number, bytes) in code.as_chunks::<WIDTH>().0.iter().enumerate() {
        let [op, registers, low, high, immediate @ ..] = *bytes;
        if std::mem::take(&mut skip) {
            continue;
        }
        let (to, from) = (registers & 15, registers >> 4);
        let offset = i64::from(i16::from_le_bytes([low, high]));
        let immediate = i64::from(i32::from_le_bytes(immediate));
        let mut touch = |register: u8, offset: i64| {
            if let Some(base) = into.get(&register) {
                let below = u64::try_from(-(base + offset)).unwrap_or(0);
                function.stack = function.stack.max(below);
            }
        };
        match op & 7 {
            // Loads, and stores.
            1 => touch(from, offset),
            2 | 3 => touch(to, offset),
            _ if op == ADD => touch(to, immediate),
            _ => {}
        }
        match op {
            CALL => {
                if from == OF_OURS {
                    let at = number * WIDTH;
                    function.calls.insert((at, immediate.cast_unsigned()));
                }
                into.retain(|register, _| *register > 5);
            }
            MOVE => {
                match into.get(&from).copied() {
                    Some(base) => into.insert(to, base),
                    None => into.remove(&to),
                };
            }
            ADD => {
                if let Some(base) = into.get_mut(&to) {
                    *base += immediate;
                }
            }
            // Stores and jumps change no register.
            _ if matches!(op & 7, 2 | 3 | 5 | 6) => {}
            _ => {
                skip = op == LOAD_64;
                into.remove(&to);
            }
        }
    }
    function
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Function, deepest, scan};

    const fn one(op: u8, to: u8, from: u8, offset: i16, immediate: i32) -> [u8; 8] {
        let (offset, immediate) = (offset.to_le_bytes(), immediate.to_le_bytes());
        let [a, b, c, d] = immediate;
        [op, to | from << 4, offset[0], offset[1], a, b, c, d]
    }

    #[test]
    fn the_stack_is_what_lies_furthest_down() {
        let code = [
            one(0x7b, 10, 1, -24, 0), // *(u64 *)(r10 - 24) = r1
            one(0xbf, 2, 10, 0, 0),   // r2 = r10
            one(0xbf, 6, 2, 0, 0),    // r6 = r2
            one(0x07, 2, 0, 0, -40),  // r2 += -40
            one(0x85, 0, 0, 0, 1),    // a helper
            one(0x07, 2, 0, 0, -400), // r2 holds no address any more
            one(0x61, 3, 6, -48, 0),  // r3 = *(u32 *)(r6 - 48)
            one(0x18, 6, 0, 0, 7),    // r6 = 7, of two
            one(0, 0, 0, 0, 0),
            one(0x61, 3, 6, -96, 0),
            one(0x85, 0, 1, 0, -3), // a function
        ];
        let found = scan(code.as_flattened());
        assert_eq!(found.stack, 48);
        let ahead = (-3_i64).cast_unsigned();
        assert_eq!(found.calls, BTreeSet::from([(80, ahead)]));
    }

    fn functions(of: &[(u64, u64, &[u64])]) -> BTreeMap<(usize, u64), Function> {
        let each = of.iter().map(|(place, stack, calls)| {
            let function = Function {
                name: format!("f{place}"),
                stack: *stack,
                calls: calls.iter().map(|place| (1, *place)).collect(),
            };
            ((1, *place), function)
        });
        each.collect()
    }

    #[test]
    fn the_deepest_way_is_summed_in_steps_of_32() {
        let all = functions(&[
            (0, 336, &[8, 16]),
            (8, 0, &[16]),
            (16, 33, &[]),
            (24, 8, &[]),
        ]);
        let (bytes, names) = deepest(&all, (1, 0), &mut Vec::new()).unwrap();
        assert_eq!(bytes, 352 + 32 + 64);
        assert_eq!(names, ["f0 (352)", "f8 (32)", "f16 (64)"]);
        assert_eq!(deepest(&all, (1, 24), &mut Vec::new()).unwrap().0, 32);
    }

    #[test]
    fn calls_in_a_circle_or_to_nowhere_are_refused() {
        let circle = functions(&[(0, 0, &[8]), (8, 0, &[0])]);
        let error = deepest(&circle, (1, 0), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("called too deep"), "{error}");
        let nowhere = functions(&[(0, 0, &[8])]);
        assert!(deepest(&nowhere, (1, 0), &mut Vec::new()).is_err());
    }
}
