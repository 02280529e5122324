//! How much memory a function is sure to find where its first argument points to.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::{Body, Refusal, Written};

/// Farthest place that counts: what lies farther is taken for something else.
const FARTHEST: u64 = 4096;

/// Bytes that what the first argument of a function at `address` points to has for certain: up to the
/// farthest that it reads or writes by it, or makes an address of, on the way straight down from its
/// beginning.
///
/// # Errors
/// Its code does not decode.
pub(in super::super) fn extent(code: &[u8], address: u64) -> Result<u64, Refusal> {
    let body = Body::decode(code, address)?;
    let mut holds = Holds {
        registers: vec![Register::RDI],
        places: Vec::new(),
    };
    let mut farthest = 0;
    for (at, instruction) in body.instructions.iter().enumerate() {
        if at > 0 && body.is_target(instruction) {
            break;
        }
        let reached = holds.reach(instruction).filter(|end| *end <= FARTHEST);
        farthest = farthest.max(reached.unwrap_or(0));
        match instruction.flow_control() {
            FlowControl::Next | FlowControl::ConditionalBranch => {}
            _ => break,
        }
        holds.follow(instruction);
    }
    Ok(farthest)
}

/// What holds the argument: registers, and places in the frame by register and distance.
struct Holds {
    registers: Vec<Register>,
    places: Vec<(Register, u64)>,
}

impl Holds {
    /// How far behind the argument an instruction reaches.
    fn reach(&self, instruction: &Instruction) -> Option<u64> {
        let is_held = |register| self.registers.contains(&register);
        if is_held(instruction.memory_base()) && instruction.memory_index() == Register::None {
            let size = instruction.memory_size().size() as u64;
            return instruction.memory_displacement64().checked_add(size);
        }
        let adds = instruction.mnemonic() == Mnemonic::Add
            && instruction.op0_kind() == OpKind::Register
            && is_held(instruction.op0_register());
        let by = matches!(
            instruction.op1_kind(),
            OpKind::Immediate8to64 | OpKind::Immediate32to64
        );
        (adds && by).then(|| instruction.immediate(1))
    }

    /// What holds it behind an instruction.
    fn follow(&mut self, instruction: &Instruction) {
        let is_move = instruction.mnemonic() == Mnemonic::Mov;
        let (to, from) = (instruction.op0_kind(), instruction.op1_kind());
        let source = instruction.op1_register();
        let held = from == OpKind::Register && self.registers.contains(&source);
        let place = place(instruction);
        let loads =
            from == OpKind::Memory && place.is_some_and(|place| self.places.contains(&place));
        let mut written = Written::new();
        written.add(instruction);
        self.registers.retain(|register| !written.has(*register));
        if written.has(Register::RSP) {
            self.places.retain(|(base, _)| *base != Register::RSP);
        }
        if written.has(Register::RBP) {
            self.places.retain(|(base, _)| *base != Register::RBP);
        }
        if to == OpKind::Memory {
            // What may lie across is as good as overwritten.
            let distance = |(_, at): &(Register, u64)| place.map(|(_, to)| at.abs_diff(to));
            self.places
                .retain(|kept| distance(kept).is_some_and(|distance| distance >= 64));
        }
        if is_move && to == OpKind::Register && (held || loads) {
            self.registers.push(instruction.op0_register());
        }
        if is_move && to == OpKind::Memory && held {
            self.places.extend(place);
        }
    }
}

/// The place in the frame that an instruction names.
fn place(instruction: &Instruction) -> Option<(Register, u64)> {
    let base = instruction.memory_base();
    let in_frame = matches!(base, Register::RSP | Register::RBP);
    (in_frame && instruction.memory_index() == Register::None)
        .then(|| (base, instruction.memory_displacement64()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ADDRESS, code};
    use super::extent;

    #[track_caller]
    fn check(text: &str, expected: u64) {
        assert_eq!(extent(&code(text), ADDRESS), Ok(expected), "{text}");
    }

    #[test]
    fn what_is_touched_by_the_argument_is_there() {
        let release = "
            41 57                   ; push r15
            49 89 ff                ; mov r15, rdi
            c6 87 2e 03 00 00 20    ; mov byte ptr [rdi+32eh], 20h
            48 89 d7                ; mov rdi, rdx
            48 8b 87 00 08 00 00    ; mov rax, [rdi+800h]
            49 8b 4f 60             ; mov rcx, [r15+60h]
            c3";
        check(release, 0x32f);
        let debug = "
            48 83 ec 38             ; sub rsp, 38h
            48 89 7c 24 08          ; mov [rsp+8], rdi
            48 8b 44 24 08          ; mov rax, [rsp+8]
            48 05 08 03 00 00       ; add rax, 308h
            48 8b 80 00 08 00 00    ; mov rax, [rax+800h]
            c3";
        check(debug, 0x308);
    }

    #[test]
    fn what_another_way_may_lead_to_says_nothing() {
        let joined = "
            74 03                   ; je
            48 89 f7                ; mov rdi, rsi
            48 8b 87 00 01 00 00    ; mov rax, [rdi+100h]
            c3";
        check(joined, 0);
        // A copy that was overwritten, and one in front of the argument.
        let overwritten = "
            48 89 7c 24 08          ; mov [rsp+8], rdi
            48 89 74 24 08          ; mov [rsp+8], rsi
            48 8b 44 24 08          ; mov rax, [rsp+8]
            48 8b 80 00 01 00 00    ; mov rax, [rax+100h]
            48 8b 47 f8             ; mov rax, [rdi-8]
            c3";
        check(overwritten, 0);
        check("e8 00 00 00 00 48 8b 47 20 c3", 0);
    }
}
