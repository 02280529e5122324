//! A small BTF encoder, and what the reader makes of its blobs and of the running kernel's.

use std::collections::BTreeMap;
use std::process::Command;

use super::member::Place;
use super::*;

/// Encodes types, numbered from 1 on in the order of the calls.
#[derive(Clone)]
struct Encoder {
    types: Vec<u8>,
    strings: Vec<u8>,
    next: u32,
}

/// A member: name, type, bit offset, bitfield width.
type Member<'a> = (&'a str, u32, u32, u32);

impl Encoder {
    fn new() -> Self {
        Self {
            types: Vec::new(),
            strings: vec![0],
            next: 1,
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len();
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        at as u32
    }

    fn words(&mut self, words: &[u32]) {
        self.types
            .extend(words.iter().flat_map(|w| w.to_ne_bytes()));
    }

    fn ty(&mut self, name: &str, kind: u32, count: usize, value: u32, rest: &[u32]) -> u32 {
        let name = self.text(name);
        self.words(&[name, kind << 24 | count as u32, value]);
        self.words(rest);
        self.next += 1;
        self.next - 1
    }

    fn int(&mut self, bits: u32) -> u32 {
        self.ty("int", 1, 0, bits.div_ceil(8), &[bits])
    }

    fn pointer(&mut self, to: u32) -> u32 {
        self.ty("", 2, 0, to, &[])
    }

    fn array(&mut self, of: u32, count: u32) -> u32 {
        self.ty("", 3, 0, 0, &[of, 0, count])
    }

    /// A struct (kind 4) or union (5) whose member offsets carry widths.
    fn structure(&mut self, kind: u32, name: &str, bytes: u32, members: &[Member<'_>]) -> u32 {
        let mut rest = Vec::new();
        for &(name, ty, bit, width) in members {
            rest.extend([self.text(name), ty, width << 24 | bit]);
        }
        self.ty(name, kind | 0x80, members.len(), bytes, &rest)
    }

    fn blob(&self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut blob = 0xeb9f_u16.to_ne_bytes().to_vec();
        blob.extend([1, 0]);
        for word in [24, 0, types, types, strings] {
            blob.extend(u32::to_ne_bytes(word));
        }
        blob.extend(&self.types);
        blob.extend(&self.strings);
        blob
    }

    /// `struct list_head`, without which nothing is believed.
    fn list_head(&mut self) {
        let pointer = self.pointer(0);
        let members = [("next", pointer, 0, 0), ("prev", pointer, 64, 0)];
        self.structure(4, "list_head", 16, &members);
    }

    /// Lays the members of `paths` (with their widths) one after the other, each nested structure
    /// in one of its own; its number and bytes.
    fn lay(&mut self, name: &str, paths: &[(&str, u64)]) -> (u32, u32) {
        let mut groups: Vec<(&str, Vec<(&str, u64)>)> = Vec::new();
        for &(path, bits) in paths {
            let (head, tail) = path.split_once('.').unwrap_or((path, ""));
            match groups.iter_mut().find(|(have, _)| *have == head) {
                Some((_, tails)) => tails.push((tail, bits)),
                None => groups.push((head, vec![(tail, bits)])),
            }
        }
        let (mut members, mut bit) = (Vec::new(), 0);
        for (head, tails) in groups {
            let (ty, bits) = match tails.as_slice() {
                [("", 0)] => (self.int(64), 64),
                [("", bits)] => (self.int(*bits as u32), *bits as u32),
                inner => {
                    let (ty, bytes) = self.lay(head, inner);
                    (ty, bytes * 8)
                }
            };
            let width = if bits == 1 { 1 } else { 0 };
            members.push((head, ty, bit, width));
            bit += bits.next_multiple_of(8);
        }
        (self.structure(4, name, bit / 8, &members), bit / 8)
    }
}

/// A kernel with everything in it but `without`, and one member `wide` of another width.
fn kernel(without: &[&str], wide: Option<(&str, u64)>) -> Vec<u8> {
    let mut structures: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for (field, structure, names) in Offsets::MEMBERS {
        if without.contains(field) || names[0].ends_with("@mask") {
            continue;
        }
        let bits = match wide {
            Some((name, bits)) if name == *field => bits,
            _ => member::width(field),
        };
        structures
            .entry(*structure)
            .or_default()
            .push((names[0], bits));
    }
    let mut encoder = Encoder::new();
    encoder.list_head();
    for (name, paths) in structures {
        encoder.lay(name, &paths);
    }
    encoder.blob()
}

fn place(encoder: &Encoder, id: u32, path: &str) -> Option<(u64, u64)> {
    let blob = encoder.blob();
    let btf = Btf::parse(&blob).expect("what the encoder writes is BTF");
    btf.place(id, path)
        .map(|Place { bit, bits, .. }| (bit, bits))
}

#[test]
fn members_lie_where_the_blob_says() {
    let offsets = offsets(&kernel(&[], None)).expect("a whole kernel");
    // In the order of the table, each at the end of the one before.
    assert_eq!(offsets.task_thread_info, 0);
    assert_eq!(offsets.task_files, 8);
    assert_eq!(offsets.task_group_leader, 16);
    assert_eq!(offsets.task_comm, 24);
    assert_eq!(offsets.task_start_boottime, 40);
    assert_eq!(offsets.sock_sk_socket, 0);
    assert_eq!(offsets.sock_sk_type, 8);
    assert_eq!(offsets.skc_family, 17);
    assert_eq!(offsets.skc_num, offsets.skc_family + 5);
    assert_eq!(offsets.skc_net, offsets.skc_v6_rcv_saddr + 16);
    assert_eq!(offsets.sock_kern_byte, offsets.skc_net + 8);
    assert_eq!(offsets.sock_kern_mask, 1);
    assert_eq!(Btf::absent(&offsets).count(), 0);
}

#[test]
fn members_of_anonymous_structures_are_members() {
    let mut encoder = Encoder::new();
    let int = encoder.int(32);
    let inner = encoder.structure(4, "", 8, &[("a", int, 0, 0), ("b", int, 32, 0)]);
    let union = encoder.structure(5, "", 8, &[("whole", int, 0, 0), ("", inner, 0, 0)]);
    let named = encoder.ty("wrapped_t", 8, 0, inner, &[]);
    let outer = [
        ("x", int, 0, 0),
        ("", union, 64, 0),
        ("named", named, 128, 0),
    ];
    let outer = encoder.structure(4, "outer", 24, &outer);
    assert_eq!(place(&encoder, outer, "b"), Some((96, 32)));
    assert_eq!(place(&encoder, outer, "whole"), Some((64, 32)));
    assert_eq!(place(&encoder, outer, "named.b"), Some((160, 32)));
    assert_eq!(place(&encoder, outer, "a.b"), None);
    assert_eq!(place(&encoder, outer, "wha"), None);
    assert_eq!(place(&encoder, outer, "wholer"), None);
    assert_eq!(place(&encoder, outer, "named.c"), None);
}

#[test]
fn bitfields_are_read_in_both_encodings() {
    let mut encoder = Encoder::new();
    let byte = encoder.int(8);
    // The older one: the integer says one bit, two bits in (btf.rst, BTF_KIND_INT).
    let bit = encoder.ty("u8", 1, 0, 1, &[2 << 16 | 1]);
    let new = encoder.structure(4, "new", 2, &[("a", byte, 0, 3), ("b", byte, 11, 1)]);
    let name = encoder.text("b");
    let old = encoder.ty("old", 4, 1, 2, &[name, bit, 8]);
    assert_eq!(place(&encoder, new, "b"), Some((11, 1)));
    assert_eq!(place(&encoder, new, "b@mask"), Some((11, 1)));
    assert_eq!(place(&encoder, old, "b"), Some((10, 1)));
}

#[test]
fn sizes_follow_typedefs_qualifiers_and_arrays() {
    let mut encoder = Encoder::new();
    let short = encoder.int(16);
    let constant = encoder.ty("", 10, 0, short, &[]);
    let rows = encoder.array(constant, 3);
    let table = encoder.array(rows, 4);
    let table = encoder.ty("table_t", 8, 0, table, &[]);
    let pointers = encoder.pointer(table);
    let pointers = encoder.array(pointers, 2);
    let members = [("t", table, 0, 0), ("p", pointers, 192, 0)];
    let whole = encoder.structure(4, "s", 40, &members);
    assert_eq!(place(&encoder, whole, "t"), Some((0, 192)));
    assert_eq!(place(&encoder, whole, "p"), Some((192, 128)));
}

#[test]
fn what_a_tap_can_do_without_is_told() {
    let without = ["skc_v6_daddr", "unix_peer", "files_fdt"];
    let offsets = offsets(&kernel(&without, None)).expect("enough of a kernel");
    assert_eq!(offsets.unix_peer, Offsets::ABSENT);
    let absent: Vec<_> = Btf::absent(&offsets).collect();
    let members: Vec<_> = absent.iter().map(|a| (a.structure, a.member)).collect();
    let expected = [
        ("files_struct", "fdt"),
        ("sock", "__sk_common.skc_v6_daddr"),
        ("unix_sock", "peer"),
    ];
    assert_eq!(members, expected);
    assert_eq!(absent[0].need, Need::Syscall);
    assert!(matches!(absent[2].need, Need::Detail(_)));
}

#[test]
fn what_every_tap_needs_stops_the_start() {
    let result = offsets(&kernel(&["tcp_write_seq"], None));
    assert!(matches!(
        result,
        Err(BtfError::Missing {
            structure: "tcp_sock",
            member: "write_seq"
        })
    ));
    let result = offsets(&kernel(&[], Some(("skc_family", 32))));
    assert!(matches!(
        result,
        Err(BtfError::Width {
            bits: 32,
            expected: 16,
            ..
        })
    ));
    let offsets = offsets(&kernel(&[], Some(("inode_i_mode", 32)))).expect("the socket tap can");
    assert_eq!(offsets.inode_i_mode, Offsets::ABSENT);
    let mut encoder = Encoder::new();
    encoder.structure(4, "list_head", 16, &[]);
    let result = super::offsets(&encoder.blob());
    assert!(matches!(
        result,
        Err(BtfError::Contradiction { what: "list_head" })
    ));
}

#[test]
fn a_member_beyond_its_structure_is_a_contradiction() {
    let mut encoder = Encoder::new();
    encoder.list_head();
    let pointer = encoder.pointer(0);
    encoder.structure(4, "task_struct", 8, &[("thread_info", pointer, 64, 0)]);
    let result = offsets(&encoder.blob());
    assert!(matches!(
        result,
        Err(BtfError::Contradiction {
            what: "thread_info"
        })
    ));
}

#[test]
fn tracepoints_tell_their_arguments() {
    let mut encoder = Encoder::new();
    let void = encoder.pointer(0);
    let sock = encoder.structure(4, "sock", 8, &[]);
    let constant = encoder.ty("", 10, 0, sock, &[]);
    let sock = encoder.pointer(constant);
    let int = encoder.int(32);
    let parameters = [0, void, 0, sock, 0, int];
    let prototype = encoder.ty("", 13, 3, 0, &parameters);
    let function = encoder.pointer(prototype);
    encoder.ty("btf_trace_sock_send_length", 8, 0, function, &[]);
    encoder.ty("btf_trace_odd", 8, 0, int, &[]);
    let blob = encoder.blob();
    let btf = Btf::parse(&blob).expect("BTF");
    let arguments = btf.tracepoint("sock_send_length").expect("there");
    assert_eq!(arguments, ["struct sock *", "int"]);
    assert_eq!(btf.tracepoint("sock_send"), None);
    assert_eq!(btf.tracepoint("odd"), None);
}

#[test]
fn preemptible_tracepoints_are_known_by_their_guard() {
    let has = |kind, name| {
        let mut encoder = Encoder::new();
        let int = encoder.int(32);
        encoder.ty(name, kind, 0, int, &[]);
        let blob = encoder.blob();
        let btf = Btf::parse(&blob).expect("BTF");
        btf.has_preemptible_tracepoints()
    };
    assert!(has(8, "class_srcu_fast_notrace_t"));
    assert!(!has(8, "class_srcu_fast_t"));
    assert!(!has(10, "class_srcu_fast_notrace_t"));
}

#[test]
fn loops_end() {
    let mut encoder = Encoder::new();
    encoder.list_head();
    // A typedef of itself, an array of itself, and structures that contain themselves a thousand
    // times, without a name, so that each level multiplies the next.
    let typedef = encoder.ty("t", 8, 0, encoder.next, &[]);
    let array = encoder.array(encoder.next, u32::MAX);
    let pointer = encoder.pointer(encoder.next);
    let own = encoder.next;
    let members = vec![("", own, 0, 0); 1000];
    encoder.structure(4, "sock", u32::MAX, &members);
    let members = [
        ("t", typedef, 0, 0),
        ("a", array, 0, 0),
        ("p", pointer, 0, 0),
    ];
    let whole = encoder.structure(4, "tcp_sock", 8, &members);
    assert_eq!(place(&encoder, whole, "t"), None);
    assert_eq!(place(&encoder, whole, "t.x"), None);
    assert_eq!(place(&encoder, whole, "a"), None);
    assert_eq!(place(&encoder, whole, "p"), Some((0, 64)));
    assert_eq!(place(&encoder, own, "sk_type"), None);
    assert!(offsets(&encoder.blob()).is_err());
    let prototype = encoder.ty("btf_trace_x", 8, 0, encoder.next, &[]);
    let _ = prototype;
    let blob = encoder.blob();
    let btf = Btf::parse(&blob).expect("BTF");
    assert_eq!(btf.tracepoint("x"), None);
}

#[test]
fn a_cut_blob_is_refused_anywhere() {
    let blob = kernel(&[], None);
    for cut in 0..blob.len() {
        assert!(offsets(&blob[..cut]).is_err(), "cut at byte {cut}");
    }
}

#[test]
fn an_altered_blob_never_panics() {
    let blob = kernel(&[], None);
    for at in 0..blob.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, blob[at] ^ 0x10] {
            let mut altered = blob.clone();
            altered[at] = value;
            if let Ok(btf) = Btf::parse(&altered) {
                let _ = btf.offsets();
                let _ = btf.tracepoint("sys_exit");
            }
        }
    }
}

#[test]
fn what_is_no_btf_is_named() {
    let message = |blob: &[u8]| Btf::parse(blob).expect_err("no BTF").to_string();
    let blob = kernel(&[], None);
    let altered = |at: usize, bytes: &[u8]| {
        let mut altered = blob.clone();
        altered[at..at + bytes.len()].copy_from_slice(bytes);
        altered
    };
    assert!(message(b"").contains("header"));
    let swapped = 0xeb9f_u16.swap_bytes().to_ne_bytes();
    assert!(message(&altered(0, &swapped)).contains("other byte order"));
    assert!(message(&altered(2, &[2])).contains("version"));
    assert!(message(&altered(4, &[8])).contains("header length"));
    assert!(message(&altered(15, &[0x7f])).contains("types"));
    assert!(message(&altered(23, &[0x7f])).contains("strings"));
    assert!(message(&altered(24 + 7, &[31])).contains("kind 31"));
    let mut longer = blob.clone();
    longer.splice(24..24, [0; 8]);
    longer[4] = 32;
    assert!(offsets(&longer).is_ok(), "a longer header of the future");
}

/// Structures whose layout is an interface, so the same on every kernel of this machine's kind.
#[cfg(target_arch = "x86_64")]
const INTERFACE: &[(&str, &str, u64, u64)] = &[
    ("iovec", "iov_len", 64, 64),
    ("sockaddr_in", "sin_addr.s_addr", 32, 32),
    ("sockaddr_in6", "sin6_addr.in6_u.u6_addr8", 64, 128),
    ("sockaddr_un", "sun_path", 16, 108 * 8),
    ("pt_regs", "ax", 80 * 8, 64),
    ("pt_regs", "di", 112 * 8, 64),
    ("user_msghdr", "msg_iovlen", 192, 64),
    ("epoll_event", "data", 32, 64),
    ("iphdr", "version", 4, 4),
];

#[test]
#[cfg(target_arch = "x86_64")]
fn this_kernel_is_read_right() {
    let blob = match read_vmlinux() {
        Ok(blob) => blob,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let btf = Btf::parse(&blob).expect("the kernel's own BTF");
    for (structure, member, bit, bits) in INTERFACE {
        let found = btf
            .all()
            .filter(|(_, ty)| btf.is_named(ty.name, structure))
            .find_map(|(id, _)| btf.place(id, member))
            .map(|place| (place.bit, place.bits));
        assert_eq!(found, Some((*bit, *bits)), "{structure}.{member}");
    }
    let exit = btf.tracepoint("sys_exit").expect("every kernel has it");
    assert_eq!(exit, ["struct pt_regs *", "long int"]);
    let offsets = btf.offsets().expect("a kernel that Eaves runs on");
    assert!(offsets.skc_v6_daddr == Offsets::ABSENT || offsets.skc_v6_daddr < 128);
    assert!(offsets.sock_kern_mask.is_power_of_two());
}

#[test]
fn bpftool_reads_the_same() {
    let dump = Command::new("bpftool")
        .args(["btf", "dump", "file", VMLINUX, "format", "raw"])
        .output();
    let dump = match dump {
        Ok(output) if output.status.success() => output.stdout,
        _ => return eprintln!("skipped: no bpftool, or it cannot read this kernel's BTF"),
    };
    let blob = read_vmlinux().expect("bpftool could read it");
    let btf = Btf::parse(&blob).expect("the kernel's own BTF");
    let (mut id, mut types, mut members) = (0, 0, 0);
    for line in String::from_utf8_lossy(&dump).lines() {
        let quoted = line.split('\'').nth(1);
        if let Some(rest) = line.strip_prefix('[') {
            types += 1;
            let (number, rest) = rest.split_once("] ").expect("[NUMBER] KIND");
            let kept = rest.starts_with("STRUCT ") || rest.starts_with("UNION ");
            id = if kept {
                number.parse().expect("number")
            } else {
                0
            };
        } else if id != 0
            && let Some(name) = quoted.filter(|name| *name != "(anon)")
            && let Some((_, rest)) = line.split_once("bits_offset=")
        {
            let bit = rest.split_whitespace().next().map(str::parse);
            let found = btf.place(id, name).map(|place| Ok(place.bit));
            assert_eq!(found, bit, "member {name} of type {id}");
            members += 1;
        }
    }
    assert_eq!(types, btf.len());
    assert!(members > 10_000, "bpftool's output is understood");
}
