//! Inner functions of a library that have no names: where they are called from says where they lie.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::{Refusal, Written, follow};

/// Most instructions of a function that puts one field into another.
const SETTER: usize = 64;

/// The way into the function at `address`: its first instruction, or the next where that only marks
/// what may be jumped to. The kernel need not single-step the `push` that most begin with.
pub(in super::super) fn enter(address: u64, read: &dyn Fn(u64) -> Vec<u8>) -> u64 {
    let code = read(address);
    let first = Decoder::with_ip(64, &code, address, DecoderOptions::NONE).decode();
    if first.mnemonic() == Mnemonic::Endbr64 {
        first.next_ip()
    } else {
        address
    }
}

/// Ways out of the function at `address`, whose end is not known.
///
/// # Errors
/// Why it cannot be followed.
pub(in super::super) fn ends(
    address: u64,
    read: &dyn Fn(u64) -> Vec<u8>,
) -> Result<Vec<u64>, Refusal> {
    let mut leave = Vec::new();
    follow(address, read, &mut leave)?;
    leave.sort_unstable();
    leave.dedup();
    if leave.is_empty() || leave.len() > super::LEAVES_MAX {
        return Err(Refusal::NoEnd);
    }
    Ok(leave)
}

/// What a function gives that does nothing but give an address: `lea rax, [rip + x]; ret`.
pub(in super::super) fn given(code: &[u8], address: u64) -> Option<u64> {
    let all = Decoder::with_ip(64, code, address, DecoderOptions::NONE).into_iter();
    let mut all = all.filter(|instruction| instruction.mnemonic() != Mnemonic::Endbr64);
    let (lea, ret) = (all.next()?, all.next()?);
    let gives = lea.mnemonic() == Mnemonic::Lea
        && lea.op0_register() == Register::RAX
        && lea.is_ip_rel_memory_operand()
        && ret.flow_control() == FlowControl::Return;
    gives.then(|| lea.ip_rel_memory_address())
}

/// From which field of a structure to which of another a function moves a pointer, where it moves one
/// alone: `mov r, [a + from]`, and then `mov [b + to], r`.
pub(in super::super) fn moved(code: &[u8], address: u64) -> Option<(u64, u64)> {
    let mut loaded: Option<(Register, u64)> = None;
    let mut found = None;
    for instruction in Decoder::with_ip(64, code, address, DecoderOptions::NONE)
        .iter()
        .take(SETTER)
    {
        if instruction.is_invalid() {
            return None;
        }
        if let Some((register, from)) = loaded
            && is_field(&instruction, OpKind::Memory, OpKind::Register)
            && instruction.op1_register() == register
        {
            let to = instruction.memory_displacement64();
            if found.replace((from, to)).is_some() {
                return None;
            }
        }
        let mut written = Written::new();
        written.add(&instruction);
        if loaded.is_some_and(|(register, _)| written.has(register))
            || instruction.flow_control() != FlowControl::Next
        {
            loaded = None;
        }
        if is_field(&instruction, OpKind::Register, OpKind::Memory) {
            loaded = Some((
                instruction.op0_register(),
                instruction.memory_displacement64(),
            ));
        }
    }
    found
}

/// `mov` of a word between a register and a field of what another register points to, not the stack.
fn is_field(instruction: &Instruction, to: OpKind, from: OpKind) -> bool {
    let register = if to == OpKind::Register {
        instruction.op0_register()
    } else {
        instruction.op1_register()
    };
    instruction.mnemonic() == Mnemonic::Mov
        && (instruction.op0_kind(), instruction.op1_kind()) == (to, from)
        && register.is_gpr64()
        && instruction.memory_base().is_gpr64()
        && !matches!(instruction.memory_base(), Register::RSP | Register::RBP)
        && instruction.memory_index() == Register::None
        && instruction.segment_prefix() == Register::None
}

#[cfg(test)]
mod tests {
    use super::super::Refusal;
    use super::{ends, enter, given, moved};

    /// `SSL_set_accept_state` of OpenSSL 3.0.22, as Debian 12 builds it, to the `mov` that sets
    /// `handshake_func`, and `TLS_method`.
    const SET: &[u8] = b"\x53\x48\x89\xfb\xc7\x47\x38\x01\x00\x00\x00\xc7\x47\x44\x00\x00\x00\x00\
        \xe8\x79\xcf\x02\x00\x48\x8b\x43\x08\x48\x89\xdf\x48\x8b\x40\x28\x48\x89\x43\x30";
    const METHOD: &[u8] = b"\x48\x8d\x05\x79\xda\x07\x00\xc3";

    #[test]
    fn the_field_of_the_method_that_moves_a_handshake_is_seen() {
        assert_eq!(moved(SET, 0x38e90), Some((0x28, 0x30)));
        assert_eq!(given(METHOD, 0x25040), Some(0xa2ac0));
    }

    #[test]
    fn a_function_is_followed_to_where_it_goes_on() {
        // `ossl_statem_accept`: `endbr64; mov esi, 1; jmp` to a function in front of it, which pushes and returns.
        let read = |address: u64| match address {
            0x2000 => b"\xf3\x0f\x1e\xfa\xbe\x01\x00\x00\x00\xe9\xf2\xef\xff\xff".to_vec(),
            0x1000 => b"\x53\x85\xf6\x74\x02\x5b\xc3\x5b\xc3".to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(enter(0x2000, &read), 0x2004);
        assert_eq!(enter(0x1000, &read), 0x1000);
        assert_eq!(ends(0x2000, &read), Ok(vec![0x1006, 0x1008]));
        assert_eq!(ends(0x3000, &read), Err(Refusal::TailCall));
        // `jmp rax`: nobody knows whereto.
        let away = |_: u64| b"\x53\xff\xe0".to_vec();
        assert_eq!(ends(0x2000, &away), Err(Refusal::TailCall));
    }

    #[test]
    fn what_does_otherwise_is_not_taken_for_it() {
        // Twice: which is meant is not known.
        let twice = [SET, b"\x48\x8b\x40\x30\x48\x89\x43\x38"].concat();
        assert_eq!(moved(&twice, 0x38e90), None);
        assert_eq!(
            moved(&SET[..SET.len() - 4], 0x38e90),
            None,
            "loaded, but not stored"
        );
        assert_eq!(moved(METHOD, 0x25040), None);
        assert_eq!(given(SET, 0x38e90), None);
        assert_eq!(given(&METHOD[..7], 0x25040), None);
        assert_eq!((moved(b"", 0), given(b"", 0)), (None, None));
    }
}
