//! Ways in and out of a function, and an instruction at each that can be probed.
//!
//! The kernel emulates `push`, `nop`, `call`, `jmp` and conditional jumps at a probe, and
//! single-steps the rest, `ret` among them, at ten times the price. So a way in is the first such
//! instruction that every call passes while the arguments are still where the caller put them; a
//! way out is the conditional jump behind an inner call that moves the bytes, and `ret` only where
//! there is none.
//!
//! A probe in the middle of an instruction breaks the program. So the whole function has to
//! decode, end where its symbol says, and jump to its own instructions only; what does not is not
//! probed, and said so. Where it ends with a jump to another function, that one is followed
//! instruction by instruction to its ends, which are ways out too: the stack pointer tells at the
//! probe whether they are those of this call.

mod extent;
mod go;
mod inner;

use std::collections::HashSet;

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic,
    OpAccess, OpKind, Register,
};

pub(super) use extent::extent;
pub(super) use go::{copied, first, written};
pub(super) use inner::{ends, enter, given, moved};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Ways in and out of a function whose result is the count of bytes.
    Count,
    /// Of one whose fourth argument points to where that will stand.
    CountAt,
    /// The way in alone, with so many arguments.
    In(usize),
    /// The same, and the ways out.
    Through(usize),
}

/// Which argument points to the count of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CountAt {
    /// None: it is what is returned.
    Result,
    /// The fourth.
    Fourth,
    /// The fifth.
    Fifth,
}

/// Where to probe: addresses in the file's own address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// The way in.
    pub(super) enter: u64,
    /// The arguments there.
    pub(super) count_at: CountAt,
    /// The ways out.
    pub(super) leave: Vec<u64>,
}

/// Why a function is not probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Its code is no code.
    #[error("its code does not decode")]
    Code,
    /// It jumps to where none of its instructions begins.
    #[error("it jumps into the middle of an instruction")]
    Jump,
    /// It goes on in another function, whose end would go unseen.
    #[error("it ends with a jump to another function")]
    TailCall,
    /// It has no end.
    #[error("it never returns")]
    NoEnd,
    /// The compiler left no such function.
    #[error("it is no function of its own in this build")]
    Inlined,
    /// There are several, of different versions.
    #[error("the program has it more than once")]
    Several,
    /// What its connections are made of is not seen in the code.
    #[error("what its code has of a connection cannot be told")]
    Extent,
    /// Its arguments are not where Go's other versions keep them.
    #[error("it is laid out as no known version of Go does")]
    Layout,
}

/// Most ways out of one function.
const LEAVES_MAX: usize = 32;

/// Finds the places in a function at `address`; `read` gives the file's code from an address on, as
/// much as there is or at most [`WINDOW_BYTES`].
///
/// # Errors
/// Why it is not probed.
pub(super) fn places(
    code: &[u8],
    address: u64,
    want: Want,
    read: &dyn Fn(u64) -> Vec<u8>,
) -> Result<Places, Refusal> {
    let body = Body::decode(code, address)?;
    if let Want::In(args) = want {
        return Ok(Places {
            enter: body.way_in(args),
            count_at: CountAt::Result,
            leave: Vec::new(),
        });
    }
    if let Some(places) = body.bracket(want) {
        return Ok(places);
    }
    let (args, count_at) = match want {
        Want::CountAt => (4, CountAt::Fourth),
        Want::Count => (3, CountAt::Result),
        Want::In(args) | Want::Through(args) => (args, CountAt::Result),
    };
    let leave = body.ways_out(read)?;
    if leave.is_empty() || leave.len() > LEAVES_MAX {
        return Err(Refusal::NoEnd);
    }
    Ok(Places {
        enter: body.way_in(args),
        count_at,
        leave,
    })
}

/// Registers of the first five arguments (System V ABI for x86-64, §3.2.3).
const ARGUMENTS: [Register; 5] = [
    Register::RDI,
    Register::RSI,
    Register::RDX,
    Register::RCX,
    Register::R8,
];

struct Body {
    address: u64,
    instructions: Vec<Instruction>,
    /// Addresses that its own jumps go to, sorted.
    targets: Vec<u64>,
}

impl Body {
    fn decode(code: &[u8], address: u64) -> Result<Self, Refusal> {
        let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
        let mut instructions = Vec::new();
        while decoder.can_decode() {
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                return Err(Refusal::Code);
            }
            instructions.push(instruction);
        }
        let end = address + code.len() as u64;
        let mut targets: Vec<u64> = instructions
            .iter()
            .filter(|i| is_jump(i) && i.op0_kind() == OpKind::NearBranch64)
            .map(Instruction::near_branch_target)
            .filter(|target| (address..end).contains(target))
            .collect();
        targets.sort_unstable();
        targets.dedup();
        let begins = |target: &u64| {
            instructions
                .binary_search_by_key(target, Instruction::ip)
                .is_ok()
        };
        if !targets.iter().all(begins) {
            return Err(Refusal::Jump);
        }
        Ok(Self {
            address,
            instructions,
            targets,
        })
    }

    fn end(&self) -> u64 {
        self.instructions
            .last()
            .map_or(self.address, Instruction::next_ip)
    }

    /// The first instruction that need not be single-stepped, on the way that every call takes,
    /// while the first `args` arguments are untouched; else the function's first.
    fn way_in(&self, args: usize) -> u64 {
        self.way_in_with(ARGUMENTS.get(..args).unwrap_or(&ARGUMENTS))
    }

    /// The same of a function whose arguments are in `wanted`.
    fn way_in_with(&self, wanted: &[Register]) -> u64 {
        let mut written = Written::new();
        for (at, instruction) in self.instructions.iter().enumerate() {
            if at > 0 && self.is_target(instruction) {
                break;
            }
            if is_emulated(instruction) {
                return instruction.ip();
            }
            written.add(instruction);
            if instruction.flow_control() != FlowControl::Next
                || wanted.iter().any(|register| written.has(*register))
            {
                break;
            }
        }
        self.address
    }

    /// The inner call that moves the bytes, and the conditional jump behind it.
    ///
    /// On the way straight down from the function's beginning: session and buffer untouched, the
    /// length untouched or widened, and a pointer to where the count will stand: the function's own
    /// fourth argument, or one made for the call. Nothing but the test of the result may lie
    /// between call and jump, and no other way may lead there.
    fn bracket(&self, want: Want) -> Option<Places> {
        let mut written = Written::new();
        let mut pointers: Vec<Register> = Vec::new();
        for (at, instruction) in self.instructions.iter().enumerate() {
            if at > 0 && self.is_target(instruction) {
                return None;
            }
            match instruction.flow_control() {
                FlowControl::Next => {
                    if !widens_length(instruction) {
                        written.add(instruction);
                    }
                    points_to_stack(instruction, &mut pointers);
                }
                FlowControl::ConditionalBranch => {}
                FlowControl::Call => {
                    let intact = |r: &Register| !written.has(*r);
                    if !ARGUMENTS.iter().take(3).all(intact) {
                        return None;
                    }
                    let fourth = Register::RCX;
                    let count_at = if want == Want::CountAt && intact(&fourth)
                        || want == Want::Count && pointers == [fourth]
                    {
                        CountAt::Fourth
                    } else if want == Want::Count && pointers == [Register::R8] {
                        CountAt::Fifth
                    } else {
                        return None;
                    };
                    let leave = self.tested(at)?;
                    return Some(Places {
                        enter: instruction.ip(),
                        count_at,
                        leave: vec![leave],
                    });
                }
                _ => return None,
            }
        }
        None
    }

    /// The conditional jump right behind a call and the test of what it gave.
    fn tested(&self, call: usize) -> Option<u64> {
        let test = self.instructions.get(call + 1)?;
        let jump = self.instructions.get(call + 2)?;
        let tests = matches!(test.mnemonic(), Mnemonic::Test | Mnemonic::Cmp)
            && test.op0_register().full_register() == Register::RAX;
        let alone = !self.is_target(test) && !self.is_target(jump);
        (tests
            && alone
            && jump.flow_control() == FlowControl::ConditionalBranch
            && is_emulated(jump))
        .then(|| jump.ip())
    }

    /// Every `ret`, and those of functions that it ends with a jump to; refused if another way
    /// leads out.
    fn ways_out(&self, read: &dyn Fn(u64) -> Vec<u8>) -> Result<Vec<u64>, Refusal> {
        let own = self.address..self.end();
        let mut leave = Vec::new();
        for (at, instruction) in self.instructions.iter().enumerate() {
            match instruction.flow_control() {
                FlowControl::Return => leave.push(instruction.ip()),
                FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
                    let target = instruction.near_branch_target();
                    if !own.contains(&target) {
                        follow(target, read, &mut leave)?;
                    }
                }
                FlowControl::IndirectBranch if !self.is_table_jump(at) => {
                    return Err(Refusal::TailCall);
                }
                _ => {}
            }
        }
        leave.sort_unstable();
        leave.dedup();
        Ok(leave)
    }

    /// Whether an indirect jump goes by a table of the function's own places, as compilers make
    /// of a `match`: `movsxd r, [table + index*4]; add r, table; jmp r`, or `jmp [table + index*8]`.
    fn is_table_jump(&self, at: usize) -> bool {
        const BEFORE: usize = 6;
        let Some(jump) = self.instructions.get(at) else {
            return false;
        };
        if jump.op0_kind() == OpKind::Memory {
            return jump.memory_index() != Register::None && jump.memory_index_scale() == 8;
        }
        let to = jump.op0_register();
        let before = self
            .instructions
            .get(at.saturating_sub(BEFORE)..at)
            .unwrap_or_default();
        let adds = before
            .iter()
            .any(|i| i.mnemonic() == Mnemonic::Add && i.op0_register() == to);
        let loads = before
            .iter()
            .any(|i| i.mnemonic() == Mnemonic::Movsxd && i.memory_index_scale() == 4);
        adds && loads
    }

    fn is_target(&self, instruction: &Instruction) -> bool {
        self.targets.binary_search(&instruction.ip()).is_ok()
    }
}

/// Code that is read of a function whose size is not known.
pub(super) const WINDOW_BYTES: usize = 64 << 10;
/// Most instructions of such a function.
const FOLLOWED_MAX: usize = 4096;
/// Most pieces of code that are read for it.
const WINDOWS_MAX: usize = 32;

/// Follows the function at `address` wherever it goes, and adds its `ret`s.
fn follow(
    address: u64,
    read: &dyn Fn(u64) -> Vec<u8>,
    leave: &mut Vec<u64>,
) -> Result<(), Refusal> {
    let mut code = read(address);
    let mut start = address;
    let mut windows = 1;
    let mut seen = HashSet::new();
    let mut ahead = vec![address];
    while let Some(mut at) = ahead.pop() {
        while seen.insert(at) {
            if !(start..start.saturating_add(code.len() as u64)).contains(&at) {
                // What the compiler thinks seldom lies far off.
                (code, start, windows) = (read(at), at, windows + 1);
            }
            if seen.len() > FOLLOWED_MAX || windows > WINDOWS_MAX || code.is_empty() {
                return Err(Refusal::TailCall);
            }
            let bytes = usize::try_from(at - start)
                .ok()
                .and_then(|at| code.get(at..));
            let mut decoder =
                Decoder::with_ip(64, bytes.unwrap_or_default(), at, DecoderOptions::NONE);
            let instruction = decoder.decode();
            match instruction.flow_control() {
                FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => {
                    at = instruction.next_ip();
                }
                FlowControl::ConditionalBranch => {
                    ahead.push(instruction.near_branch_target());
                    at = instruction.next_ip();
                }
                FlowControl::UnconditionalBranch => at = instruction.near_branch_target(),
                FlowControl::Return => {
                    leave.push(at);
                    break;
                }
                _ if instruction.is_invalid() => return Err(Refusal::Code),
                // A trap, as `ud2` behind what does not return.
                FlowControl::Interrupt | FlowControl::Exception => break,
                _ => return Err(Refusal::TailCall),
            }
        }
    }
    Ok(())
}

fn is_jump(instruction: &Instruction) -> bool {
    matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
    )
}

/// Whether the kernel emulates it at a probe (`branch_setup_xol_ops` and `push_setup_xol_ops`,
/// arch/x86/kernel/uprobes.c, since Linux 4.18).
fn is_emulated(instruction: &Instruction) -> bool {
    match instruction.code() {
        Code::Nopd => instruction.len() == 1,
        Code::Push_r64 => true,
        Code::Call_rel32_64 | Code::Jmp_rel8_64 | Code::Jmp_rel32_64 => instruction.len() <= 5,
        _ => {
            instruction.flow_control() == FlowControl::ConditionalBranch
                && matches!(instruction.op0_kind(), OpKind::NearBranch64)
                && !matches!(
                    instruction.mnemonic(),
                    Mnemonic::Loop
                        | Mnemonic::Loope
                        | Mnemonic::Loopne
                        | Mnemonic::Jrcxz
                        | Mnemonic::Jecxz
                        | Mnemonic::Jcxz
                )
        }
    }
}

/// `movsxd rdx, edx`: the `int` that says how long the buffer is, as a `size_t`.
fn widens_length(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Movsxd
        && instruction.op0_register() == Register::RDX
        && instruction.op1_kind() == OpKind::Register
        && instruction.op1_register() == Register::EDX
}

/// Keeps account of which argument registers point into the function's stack.
fn points_to_stack(instruction: &Instruction, pointers: &mut Vec<Register>) {
    let to = instruction.op0_register();
    if instruction.op0_kind() != OpKind::Register || !ARGUMENTS.contains(&to.full_register()) {
        return;
    }
    let points = match instruction.mnemonic() {
        Mnemonic::Mov => instruction.op1_register() == Register::RSP,
        Mnemonic::Lea => {
            instruction.memory_base() == Register::RSP
                && instruction.memory_index() == Register::None
        }
        _ => false,
    };
    pointers.retain(|register| *register != to.full_register());
    if points && to.is_gpr64() {
        pointers.push(to);
    }
}

/// General registers that were written.
struct Written {
    registers: Vec<Register>,
    factory: InstructionInfoFactory,
}

impl Written {
    fn new() -> Self {
        Self {
            registers: Vec::new(),
            factory: InstructionInfoFactory::new(),
        }
    }

    fn add(&mut self, instruction: &Instruction) {
        for used in self.factory.info(instruction).used_registers() {
            if !matches!(
                used.access(),
                OpAccess::Read | OpAccess::CondRead | OpAccess::None
            ) {
                self.registers.push(used.register().full_register());
            }
        }
    }

    fn has(&self, register: Register) -> bool {
        self.registers.contains(&register)
    }
}

#[cfg(test)]
mod tests;
