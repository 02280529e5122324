//! Places in functions of Go, whose calls pass arguments in registers (Go's internal ABI, since 1.17).
//!
//! A goroutine goes from thread to thread, and its stack moves: what is noted on the way in need not be
//! true on the way out. So nothing is noted. The plaintext is taken where it passes by: at the call that
//! copies it to the reader's buffer, and at the call that makes records of it. Both are `call`, which the
//! kernel emulates, and have where it lies and how long it is in registers.
//!
//! Which connection it is of the reading function has in its caller's frame by then. There, right behind
//! the return address, each function has room for its arguments; the frame pointer leads to it. That the
//! function put its receiver there, and nothing else ever, is seen in its code first.

use iced_x86::{Code, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::{Body, Refusal};

/// Most calls of one function in another.
const CALLS_MAX: usize = 4;

/// The first instruction of a function at `address` that need not be single-stepped while the receiver
/// is in its register; else its first.
///
/// # Errors
/// Why it is not probed.
pub(in super::super) fn first(code: &[u8], address: u64) -> Result<u64, Refusal> {
    Ok(Body::decode(code, address)?.way_in_with(&[Register::RAX]))
}

/// In a function at `address`, all calls of the one at `to`.
///
/// # Errors
/// There is none, or more than a known version has.
pub(in super::super) fn written(code: &[u8], address: u64, to: u64) -> Result<Vec<u64>, Refusal> {
    let body = Body::decode(code, address)?;
    let calls: Vec<u64> = body.calls(to).map(|(_, call)| call.ip()).collect();
    if calls.is_empty() || calls.len() > CALLS_MAX {
        return Err(Refusal::Layout);
    }
    Ok(calls)
}

/// In a function at `address` with a receiver and a slice, its one call of the function at `to`, that
/// of `memmove`, to the slice.
///
/// # Errors
/// If that is not so, or the receiver is not in its place in the caller's frame.
pub(in super::super) fn copied(code: &[u8], address: u64, to: u64) -> Result<u64, Refusal> {
    let body = Body::decode(code, address)?;
    let frame = body.frame().ok_or(Refusal::Layout)?;
    let mut calls = body.calls(to);
    let (Some((at, call)), None) = (calls.next(), calls.next()) else {
        return Err(Refusal::Layout);
    };
    // What `memmove` writes to is the caller's slice: the second of the places.
    let slice = frame.wrapping_add(8);
    if body.last_load(at, Register::RAX) != Some(slice) {
        return Err(Refusal::Layout);
    }
    Ok(call.ip())
}

impl Body {
    fn calls(&self, to: u64) -> impl Iterator<Item = (usize, &Instruction)> {
        self.instructions
            .iter()
            .enumerate()
            .filter(move |(_, instruction)| {
                instruction.code() == Code::Call_rel32_64
                    && instruction.len() == 5
                    && instruction.near_branch_target() == to
            })
    }

    /// How far above the stack pointer the receiver lies, in all of the function but its first
    /// instructions and the last: it is where the frame pointer plus 16 points.
    ///
    /// `None` if that cannot be told.
    fn frame(&self) -> Option<u64> {
        let mut depth: u64 = 0;
        let mut pointed = false;
        let mut receiver = None;
        for instruction in &self.instructions {
            let to = instruction.op0_register();
            match instruction.mnemonic() {
                Mnemonic::Push => depth = depth.wrapping_add(8),
                Mnemonic::Sub if to == Register::RSP => {
                    depth = depth.wrapping_add(instruction.try_immediate(1).ok()?);
                }
                // Of 128 bytes that is shorter.
                Mnemonic::Add if to == Register::RSP => {
                    depth = depth.wrapping_sub(instruction.try_immediate(1).ok()?);
                }
                Mnemonic::Mov if to == Register::RBP => {
                    pointed = instruction.op1_register() == Register::RSP && depth == 8;
                }
                Mnemonic::Lea if to == Register::RBP => {
                    // It points to the old one, right below the return address.
                    let at = instruction.memory_displacement64();
                    pointed = instruction.memory_base() == Register::RSP
                        && instruction.memory_index() == Register::None
                        && at.wrapping_add(8) == depth;
                }
                Mnemonic::Mov if to_stack(instruction) == Some(depth.wrapping_add(8)) => {
                    if instruction.op1_register() != Register::RAX {
                        return None;
                    }
                    receiver = Some((instruction.ip(), depth.wrapping_add(8)));
                    break;
                }
                Mnemonic::Cmp | Mnemonic::Nop | Mnemonic::Test => {}
                _ if instruction.op0_kind() == OpKind::Memory => {}
                _ if instruction.flow_control() == FlowControl::ConditionalBranch => {}
                _ if matches!(
                    to.full_register(),
                    Register::RAX | Register::RSP | Register::RBP
                ) =>
                {
                    return None;
                }
                _ if instruction.flow_control() != FlowControl::Next => return None,
                _ => {}
            }
        }
        let (at, receiver) = receiver.filter(|_| pointed)?;
        let again = self
            .instructions
            .iter()
            .any(|i| i.ip() != at && to_stack(i) == Some(receiver));
        (!again).then_some(receiver)
    }

    /// From how far above the stack pointer `register` was loaded last before the instruction number
    /// `at`; `None` if it got something else, or other ways lead there.
    fn last_load(&self, at: usize, register: Register) -> Option<u64> {
        let before = self.instructions.get(..at)?;
        if self.is_target(self.instructions.get(at)?) {
            return None;
        }
        for instruction in before.iter().rev() {
            if matches!(
                instruction.flow_control(),
                FlowControl::Call
                    | FlowControl::IndirectCall
                    | FlowControl::UnconditionalBranch
                    | FlowControl::Return
            ) {
                return None;
            }
            if instruction.op0_kind() == OpKind::Register
                && instruction.op0_register().full_register() == register
                && !matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test)
            {
                let loads = instruction.code() == Code::Mov_r64_rm64
                    && instruction.memory_base() == Register::RSP
                    && instruction.memory_index() == Register::None;
                return loads.then(|| instruction.memory_displacement64());
            }
            if self.is_target(instruction) {
                return None;
            }
        }
        None
    }
}

/// How far above the stack pointer an instruction writes, if it does.
fn to_stack(instruction: &Instruction) -> Option<u64> {
    let writes = instruction.op0_kind() == OpKind::Memory
        && instruction.memory_base() == Register::RSP
        && instruction.memory_index() == Register::None
        && !matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
    writes.then(|| instruction.memory_displacement64())
}

#[cfg(test)]
mod tests;
