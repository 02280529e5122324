//! Members of structures by name: position, width, and what goes without them.

use eaves_common::Offsets;

use super::BtfError;
use super::blob::{Btf, Kind, MEMBER_BYTES, Type, word};

/// How deep anonymous structures are searched; the kernel's own nest three deep.
const NESTING_MAX: u32 = 8;

/// Members looked at for one name. `task_struct` has about 300; a blob whose structures contain
/// each other many times over would otherwise take forever.
const LOOKS_MAX: u32 = 100_000;

/// Definitions of one structure's name that are looked at: the kernel's BTF sometimes has several.
const NAMESAKES_MAX: usize = 8;

/// Suffix of a name in [`Offsets::MEMBERS`] that asks for the mask of a bit instead of its byte.
const MASK: &str = "@mask";

/// Who cannot do without a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Every tap.
    Always,
    /// The syscall tap.
    Syscall,
    /// Nobody, but this is lost.
    Detail(&'static str),
}

/// A member that this kernel does not have, or not as the kernel programs read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The structure.
    pub structure: &'static str,
    /// The member, by the first of its names.
    pub member: &'static str,
    /// Who wants it.
    pub need: Need,
}

const IPV6: Need = Need::Detail("addresses of conns over IPv6");
const UNIX: Need = Need::Detail("names and peers of Unix sockets");
const NETNS: Need = Need::Detail("network namespaces");

/// Width in bits that the kernel programs read, 0 where they only take the address, and who needs it.
///
/// A kernel may be built without CONFIG_IPV6, CONFIG_UNIX (or with it as a module, which has BTF of
/// its own) and CONFIG_NET_NS. All else is in every kernel that Eaves runs on, and the kernel
/// programs read it without asking.
const FACTS: &[(&str, u64, Need)] = &[
    ("task_thread_info", 0, Need::Always),
    ("thread_info_status", 32, Need::Always),
    ("task_files", 64, Need::Syscall),
    ("task_group_leader", 64, Need::Always),
    ("task_comm", 128, Need::Always),
    ("task_start_boottime", 64, Need::Always),
    ("task_tgid", 32, Need::Always),
    ("task_real_parent", 64, Need::Always),
    ("task_mm", 64, Need::Always),
    ("mm_arg_start", 64, Need::Always),
    ("mm_arg_end", 64, Need::Always),
    ("binprm_filename", 64, Need::Always),
    ("filename_name", 64, Need::Always),
    ("files_fdt", 64, Need::Syscall),
    ("fdtable_max_fds", 32, Need::Syscall),
    ("fdtable_fd", 64, Need::Syscall),
    ("file_f_op", 64, Need::Syscall),
    ("file_private_data", 64, Need::Syscall),
    ("file_f_inode", 64, Need::Syscall),
    ("inode_i_mode", 16, Need::Syscall),
    ("inode_i_ino", 64, Need::Always),
    ("socket_alloc_socket", 0, Need::Always),
    ("socket_alloc_vfs_inode", 0, Need::Always),
    ("socket_sk", 64, Need::Syscall),
    ("socket_type", 16, Need::Syscall),
    ("sock_sk_socket", 64, Need::Always),
    ("sock_sk_type", 16, Need::Always),
    ("sock_sk_protocol", 16, Need::Always),
    ("sock_sk_shutdown", 8, Need::Always),
    ("sock_sk_err", 32, Need::Always),
    ("skc_family", 16, Need::Always),
    ("skc_state", 8, Need::Always),
    ("skc_dport", 16, Need::Always),
    ("skc_num", 16, Need::Always),
    ("skc_daddr", 32, Need::Always),
    ("skc_rcv_saddr", 32, Need::Always),
    ("skc_v6_daddr", 128, IPV6),
    ("skc_v6_rcv_saddr", 128, IPV6),
    ("skc_net", 64, NETNS),
    ("net_ns_inum", 32, NETNS),
    ("tcp_write_seq", 32, Need::Always),
    ("tcp_copied_seq", 32, Need::Always),
    ("tcp_rcv_nxt", 32, Need::Always),
    ("icsk_ulp_ops", 64, Need::Always),
    ("unix_addr", 64, UNIX),
    ("unix_peer", 64, UNIX),
    ("unix_address_len", 32, UNIX),
    ("unix_address_name", 0, UNIX),
    ("sock_kern_byte", 1, Need::Always),
    ("sock_kern_mask", 1, Need::Always),
];

/// Where a member lies in its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its first bit.
    pub(super) bit: u64,
    /// How many bits it has.
    pub(super) bits: u64,
    /// Its type.
    pub(super) ty: u32,
}

/// What a search for one name has found so far.
struct Search<'s> {
    name: &'s str,
    looks: u32,
}

impl Btf<'_> {
    /// Resolves every member of [`Offsets::MEMBERS`]; those that this kernel lacks, or has in
    /// another width than the kernel programs read, and some tap can do without, become
    /// [`Offsets::ABSENT`]: see [`absent`](Self::absent).
    ///
    /// # Errors
    /// [`BtfError::Missing`] and [`BtfError::Width`] for one that every tap needs,
    /// [`BtfError::Contradiction`] if structures known to be the same in every kernel are not, or
    /// a member lies outside its structure.
    pub fn offsets(&self) -> Result<Offsets, BtfError> {
        let structures = self.structures();
        self.check_known(&structures)?;
        let mut offsets = Offsets::default();
        for (index, &(field, structure, names)) in Offsets::MEMBERS.iter().enumerate() {
            let member = names.first().copied().unwrap_or_default();
            let (width, need) = facts(field);
            let found = candidates(&structures, structure)
                .find_map(|id| Some((id, names.iter().find_map(|name| self.place(id, name))?)));
            let value = match found {
                Some((id, place)) if width == 0 || place.bits == width => {
                    self.check_inside(id, place, member)?;
                    value(place, member).ok_or(BtfError::Contradiction { what: member })?
                }
                _ if need != Need::Always => Offsets::ABSENT,
                Some((_, place)) => {
                    return Err(BtfError::Width {
                        structure,
                        member,
                        bits: place.bits,
                        expected: width,
                    });
                }
                None => return Err(BtfError::Missing { structure, member }),
            };
            offsets.set(index, value);
        }
        check_offsets(&offsets)?;
        Ok(offsets)
    }

    /// Members that `offsets` does without, and what is lost by it.
    pub fn absent(offsets: &Offsets) -> impl Iterator<Item = Absent> {
        Offsets::MEMBERS
            .iter()
            .enumerate()
            .filter(|(index, _)| offsets.get(*index) == Some(Offsets::ABSENT))
            .map(|(_, &(field, structure, names))| Absent {
                structure,
                member: names.first().copied().unwrap_or_default(),
                need: facts(field).1,
            })
    }

    /// Numbers of the structures that [`Offsets::MEMBERS`] and the self-check name, in one pass.
    fn structures(&self) -> Vec<(&'static str, u32)> {
        let mut wanted: Vec<&'static str> = Offsets::MEMBERS.iter().map(|m| m.1).collect();
        wanted.push("list_head");
        wanted.sort_unstable();
        wanted.dedup();
        let structs = self.all().filter(|(_, ty)| ty.kind == Kind::Struct);
        structs
            .filter_map(|(id, ty)| {
                let name = wanted.iter().find(|name| self.is_named(ty.name, name))?;
                Some((*name, id))
            })
            .collect()
    }

    /// A doubly linked list is two pointers in every kernel.
    fn check_known(&self, structures: &[(&'static str, u32)]) -> Result<(), BtfError> {
        let what = "list_head";
        let known = candidates(structures, what).any(|id| {
            let start = |name| self.place(id, name).map(|place| (place.bit, place.bits));
            start("next") == Some((0, 64))
                && start("prev") == Some((64, 64))
                && self.size_bytes(id) == Some(16)
        });
        known.then_some(()).ok_or(BtfError::Contradiction { what })
    }

    /// A member lies in its structure.
    fn check_inside(&self, id: u32, place: Place, what: &'static str) -> Result<(), BtfError> {
        let end = place.bit.saturating_add(place.bits).div_ceil(8);
        if self.size_bytes(id).is_none_or(|size| end > size) {
            return Err(BtfError::Contradiction { what });
        }
        Ok(())
    }

    /// Finds `path` (`a.b`, without or with [`MASK`]) in the structure `id`.
    pub(super) fn place(&self, id: u32, path: &str) -> Option<Place> {
        let path = path.strip_suffix(MASK).unwrap_or(path);
        let mut at = Place {
            bit: 0,
            bits: 0,
            ty: id,
        };
        for name in path.split('.') {
            let (_, structure) = self.bare(at.ty)?;
            let mut search = Search { name, looks: 0 };
            let found = self.search(structure, &mut search, NESTING_MAX)?;
            at = Place {
                bit: at.bit.checked_add(found.bit)?,
                ..found
            };
        }
        Some(at)
    }

    /// Finds one name among the members of `structure` and of those without a name in it.
    fn search(&self, structure: Type<'_>, search: &mut Search<'_>, depth: u32) -> Option<Place> {
        if !matches!(structure.kind, Kind::Struct | Kind::Union) {
            return None;
        }
        for member in structure.rest.chunks_exact(MEMBER_BYTES) {
            search.looks += 1;
            if search.looks > LOOKS_MAX {
                return None;
            }
            let (name, ty, offset) = (word(member, 0), word(member, 4), word(member, 8));
            let (bit, width) = if structure.flag {
                (offset & 0x00ff_ffff, offset >> 24)
            } else {
                (offset, 0)
            };
            let bit = u64::from(bit);
            if self.is_named(name, search.name) {
                return self.finish(ty, bit, width);
            }
            if depth > 0
                && self.is_named(name, "")
                && let Some((_, inner)) = self.bare(ty)
                && let Some(found) = self.search(inner, search, depth - 1)
            {
                return Some(Place {
                    bit: bit.checked_add(found.bit)?,
                    ..found
                });
            }
        }
        None
    }

    /// Width of a member: of the bitfield, else of its type.
    fn finish(&self, ty: u32, bit: u64, width: u32) -> Option<Place> {
        if width != 0 {
            let bits = width.into();
            return Some(Place { bit, bits, ty });
        }
        let (_, bare) = self.bare(ty)?;
        // An integer says its own bits and where they begin: old encoders wrote bitfields so
        // (btf.rst, BTF_KIND_INT).
        let integer = word(bare.rest, 0);
        let (bit, bits) = if bare.kind == Kind::Int && integer & 0xff != 0 {
            let shift = u64::from(integer >> 16 & 0xff);
            (bit.checked_add(shift)?, u64::from(integer & 0xff))
        } else {
            (bit, self.size_bytes(ty)?.checked_mul(8)?)
        };
        Some(Place { bit, bits, ty })
    }
}

/// The numbers of the structures of this name.
fn candidates<'s>(
    structures: &'s [(&'static str, u32)],
    name: &'s str,
) -> impl Iterator<Item = u32> + 's {
    let namesakes = structures.iter().filter(move |(have, _)| *have == name);
    namesakes.map(|(_, id)| *id).take(NAMESAKES_MAX)
}

/// What the kernel programs are told: a byte offset, or the mask of a bit in its byte.
fn value(place: Place, member: &str) -> Option<u32> {
    let within = u32::try_from(place.bit % 8).ok()?;
    if member.ends_with(MASK) {
        let mask = if cfg!(target_endian = "big") {
            0x80 >> within
        } else {
            1 << within
        };
        return Some(mask);
    }
    // Only a single bit may begin within a byte.
    if within != 0 && place.bits != 1 {
        return None;
    }
    u32::try_from(place.bit / 8).ok()
}

/// What every kernel since 5.10 keeps: the common part of a sock begins with what every packet
/// looks up, within two cache lines.
fn check_offsets(offsets: &Offsets) -> Result<(), BtfError> {
    let near = [
        ("skc_family", offsets.skc_family),
        ("skc_state", offsets.skc_state),
        ("skc_num", offsets.skc_num),
        ("skc_dport", offsets.skc_dport),
        ("skc_daddr", offsets.skc_daddr),
        ("skc_rcv_saddr", offsets.skc_rcv_saddr),
    ];
    match near.iter().find(|(_, offset)| *offset >= 128) {
        Some((what, _)) => Err(BtfError::Contradiction { what }),
        None => Ok(()),
    }
}

/// Width and need of a field of [`Offsets`]; a test sees to it that each has its own.
fn facts(field: &str) -> (u64, Need) {
    let row = FACTS.iter().find(|(name, _, _)| *name == field);
    row.map_or((0, Need::Always), |&(_, width, need)| (width, need))
}

/// The width alone, for tests that make kernels.
#[cfg(test)]
pub(super) fn width(field: &str) -> u64 {
    facts(field).0
}

#[cfg(test)]
mod tests {
    use super::{FACTS, Offsets};

    #[test]
    fn every_member_has_its_facts_in_order() {
        let facts = FACTS.iter().map(|(field, _, _)| *field);
        assert!(facts.eq(Offsets::MEMBERS.iter().map(|(field, _, _)| *field)));
    }
}
