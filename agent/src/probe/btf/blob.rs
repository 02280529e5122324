//! The blob: header, types by number, names, sizes.

use super::BtfError;

/// First two bytes (Documentation/bpf/btf.rst, "BTF Header").
const MAGIC: u16 = 0xeb9f;

/// Bytes of the first header; newer ones are longer and say so.
const HEADER_BYTES: usize = 24;

/// Bytes before what is particular to a kind.
const TYPE_BYTES: usize = 12;

/// Bytes of one member of a structure.
pub(super) const MEMBER_BYTES: usize = 12;

/// Bytes of one parameter of a function.
const PARAMETER_BYTES: usize = 8;

/// How many typedefs, qualifiers and arrays are followed to a type that has a size.
const CHAIN_MAX: u32 = 32;

/// Bytes of a name that are looked at; the kernel's own limit (KSYM_NAME_LEN) is the same.
const NAME_MAX_BYTES: usize = 512;

/// Bytes of a pointer: Eaves runs on 64-bit kernels only.
const POINTER_BYTES: u64 = 8;

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Pointer,
    Array,
    Struct,
    Union,
    Enum,
    Forward,
    Typedef,
    Qualifier,
    Function,
    Prototype,
    Variable,
    Section,
    Float,
    Tag,
    Enum64,
}

impl Kind {
    /// By its number, 1–19.
    const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Int,
            2 => Self::Pointer,
            3 => Self::Array,
            4 => Self::Struct,
            5 => Self::Union,
            6 => Self::Enum,
            7 => Self::Forward,
            8 => Self::Typedef,
            // volatile, const, restrict, and the type tag, which says something of a pointer's target
            9..=11 | 18 => Self::Qualifier,
            12 => Self::Function,
            13 => Self::Prototype,
            14 => Self::Variable,
            15 => Self::Section,
            16 => Self::Float,
            17 => Self::Tag,
            19 => Self::Enum64,
            _ => return None,
        })
    }

    /// Bytes after the first twelve, for `count` entries.
    const fn rest_bytes(self, count: usize) -> usize {
        match self {
            Self::Int | Self::Variable | Self::Tag => 4,
            Self::Array => 12,
            Self::Struct | Self::Union | Self::Section | Self::Enum64 => count * 12,
            Self::Enum | Self::Prototype => count * 8,
            Self::Pointer
            | Self::Forward
            | Self::Typedef
            | Self::Qualifier
            | Self::Function
            | Self::Float => 0,
        }
    }
}

/// One type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    pub(super) kind: Kind,
    pub(super) name: u32,
    /// Offsets of members carry the widths of bitfields.
    pub(super) flag: bool,
    /// Bytes, or the number of another type, by kind.
    pub(super) size_or_type: u32,
    /// What is particular to the kind.
    pub(super) rest: &'a [u8],
}

/// A BTF blob whose types can be found by number.
#[derive(Debug)]
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Offset of each type, from number 1 on; number 0 is `void`.
    starts: Vec<u32>,
}

impl<'a> Btf<'a> {
    /// Checks the header and walks all types once.
    ///
    /// # Errors
    /// [`BtfError::Header`] if it is not BTF of this machine's byte order, [`BtfError::Cut`] if a
    /// section or type reaches beyond its end, [`BtfError::Kind`] for a kind that is not known.
    pub fn parse(blob: &'a [u8]) -> Result<Self, BtfError> {
        let header = blob.get(..HEADER_BYTES).ok_or(BtfError::Cut {
            what: "header",
            at: blob.len(),
        })?;
        let magic = word(header, 0) & 0xffff;
        if magic != u32::from(MAGIC) {
            let what = if magic == u32::from(MAGIC.swap_bytes()) {
                "magic (of the other byte order)"
            } else {
                "magic"
            };
            return Err(refuse(what, magic));
        }
        // Read as bytes: the position does not depend on the byte order.
        let version = header.get(2).copied().unwrap_or(0);
        if version != 1 {
            return Err(refuse("version", version.into()));
        }
        let header_bytes = word(header, 4);
        if (header_bytes as usize) < HEADER_BYTES {
            return Err(refuse("header length", header_bytes));
        }
        let body = blob.get(header_bytes as usize..).ok_or(BtfError::Cut {
            what: "header",
            at: blob.len(),
        })?;
        let types = section(body, word(header, 8), word(header, 12), "types")?;
        let strings = section(body, word(header, 16), word(header, 20), "strings")?;
        if strings.first() != Some(&0) || strings.last() != Some(&0) {
            return Err(BtfError::Cut {
                what: "strings",
                at: strings.len(),
            });
        }
        let starts = walk(types)?;
        Ok(Self {
            types,
            strings,
            starts,
        })
    }

    /// How many types there are, `void` not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The types of the arguments of the tracepoint `name`, as in C without qualifiers; `None` if
    /// this kernel has no such tracepoint.
    ///
    /// The kernel describes each by a typedef `btf_trace_NAME` (include/trace/bpf_probe.h): a
    /// pointer to a function whose first parameter, `void *`, is left out here.
    #[must_use]
    pub fn tracepoint(&self, name: &str) -> Option<Vec<String>> {
        let typedef = format!("btf_trace_{name}");
        let (_, typedef) = self
            .all()
            .find(|(_, ty)| ty.kind == Kind::Typedef && self.is_named(ty.name, &typedef))?;
        let pointer = self.ty(typedef.size_or_type)?;
        let prototype = self.ty(pointer.size_or_type)?;
        if pointer.kind != Kind::Pointer || prototype.kind != Kind::Prototype {
            return None;
        }
        let arguments = prototype.rest.chunks_exact(PARAMETER_BYTES).skip(1);
        Some(
            arguments
                .map(|parameter| self.spell(word(parameter, 4)))
                .collect(),
        )
    }

    /// Whether this kernel may preempt programs at its tracepoints, and then passes them over for
    /// other tasks on that processor.
    ///
    /// So since Linux 7.0, whose tracepoints are guarded by SRCU-fast ("tracing: Guard
    /// `__DECLARE_TRACE()` use of `__DO_TRACE_CALL()` with SRCU-fast"). The type of that guard came
    /// with it and has no other user; a release's number would miss those that took it over.
    #[must_use]
    pub fn has_preemptible_tracepoints(&self) -> bool {
        const GUARD: &str = "class_srcu_fast_notrace_t";
        self.all()
            .any(|(_, ty)| ty.kind == Kind::Typedef && self.is_named(ty.name, GUARD))
    }

    /// The type of this number; `None` for `void` and beyond the last.
    pub(super) fn ty(&self, id: u32) -> Option<Type<'a>> {
        let start = *self.starts.get((id as usize).checked_sub(1)?)?;
        read_type(self.types, start as usize).ok().flatten()
    }

    /// All types with their numbers.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, Type<'a>)> {
        (1..).map_while(|id| Some((id, self.ty(id)?)))
    }

    /// Whether the name at `offset` is `name`.
    pub(super) fn is_named(&self, offset: u32, name: &str) -> bool {
        self.strings
            .get(offset as usize..)
            .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The type behind typedefs and qualifiers.
    pub(super) fn bare(&self, mut id: u32) -> Option<(u32, Type<'a>)> {
        for _ in 0..CHAIN_MAX {
            let ty = self.ty(id)?;
            match ty.kind {
                Kind::Typedef | Kind::Qualifier => id = ty.size_or_type,
                _ => return Some((id, ty)),
            }
        }
        None
    }

    /// Bytes a value of this type takes.
    pub(super) fn size_bytes(&self, mut id: u32) -> Option<u64> {
        let mut times = 1u64;
        for _ in 0..CHAIN_MAX {
            let (_, ty) = self.bare(id)?;
            match ty.kind {
                Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Float => return times.checked_mul(ty.size_or_type.into()),
                Kind::Pointer => return times.checked_mul(POINTER_BYTES),
                Kind::Array => {
                    times = times.checked_mul(word(ty.rest, 8).into())?;
                    id = word(ty.rest, 0);
                }
                _ => return None,
            }
        }
        None
    }

    /// A type as C writes it, qualifiers left out.
    fn spell(&self, mut id: u32) -> String {
        let mut stars = 0;
        let mut word = None;
        for _ in 0..CHAIN_MAX {
            let Some(ty) = self.ty(id) else { break };
            match ty.kind {
                Kind::Pointer => stars += 1,
                Kind::Qualifier => {}
                kind => {
                    let prefix = match kind {
                        Kind::Struct | Kind::Forward if !ty.flag || kind == Kind::Struct => {
                            "struct "
                        }
                        Kind::Union | Kind::Forward => "union ",
                        Kind::Enum | Kind::Enum64 => "enum ",
                        _ => "",
                    };
                    word = Some(format!("{prefix}{}", self.name(ty.name)));
                    break;
                }
            }
            id = ty.size_or_type;
        }
        let mut spelt = word.unwrap_or_else(|| "void".to_owned());
        if stars > 0 {
            spelt.push(' ');
            spelt.extend(std::iter::repeat_n('*', stars));
        }
        spelt
    }

    /// The name at `offset`, cut at a limit.
    fn name(&self, offset: u32) -> String {
        let rest = self.strings.get(offset as usize..).unwrap_or_default();
        let rest = rest.get(..NAME_MAX_BYTES).unwrap_or(rest);
        let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        name.escape_ascii().to_string()
    }
}

/// The four bytes at `at`; 0 beyond the end, which callers have ruled out.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |word| u32::from_ne_bytes(*word))
}

fn refuse(what: &'static str, value: u32) -> BtfError {
    BtfError::Header {
        what,
        value: value.into(),
    }
}

fn section<'a>(
    body: &'a [u8],
    offset: u32,
    len: u32,
    what: &'static str,
) -> Result<&'a [u8], BtfError> {
    let start = offset as usize;
    start
        .checked_add(len as usize)
        .and_then(|end| body.get(start..end))
        .ok_or(BtfError::Cut { what, at: start })
}

/// Notes where each type starts.
fn walk(types: &[u8]) -> Result<Vec<u32>, BtfError> {
    // A type has 12 to some hundred bytes, 32 on average in today's kernels.
    let mut starts = Vec::with_capacity(types.len() / 32);
    let mut at = 0;
    while at < types.len() {
        let cut = BtfError::Cut { what: "type", at };
        let Some(ty) = read_type(types, at).map_err(|kind| BtfError::Kind {
            id: u32::try_from(starts.len() + 1).unwrap_or(u32::MAX),
            kind,
        })?
        else {
            return Err(cut);
        };
        starts.push(u32::try_from(at).map_err(|_| cut)?);
        at += TYPE_BYTES + ty.rest.len();
    }
    Ok(starts)
}

/// The type that starts at `at`; `None` if it is cut, and its kind if that is not known.
fn read_type(types: &[u8], at: usize) -> Result<Option<Type<'_>>, u32> {
    let Some(bytes) = types.get(at..).filter(|bytes| bytes.len() >= TYPE_BYTES) else {
        return Ok(None);
    };
    let bits = word(bytes, 4);
    let number = bits >> 24 & 0x1f;
    let kind = Kind::from_number(number).ok_or(number)?;
    let rest_bytes = kind.rest_bytes((bits & 0xffff) as usize);
    Ok(bytes
        .get(TYPE_BYTES..TYPE_BYTES + rest_bytes)
        .map(|rest| Type {
            kind,
            name: word(bytes, 0),
            flag: bits >> 31 == 1,
            size_or_type: word(bytes, 8),
            rest,
        }))
}
