//! Paths of cgroups → systemd unit, container and pod. Pure: the text of `/proc/PID/cgroup` is an
//! argument.
//!
//! Runtimes write the container's id into the path, each in its own way:
//!
//! ```text
//! cgroupfs   /docker/ID   /libpod_parent/libpod-ID   /kubepods/burstable/podUID/ID
//! systemd    docker-ID.scope   libpod-ID.scope   crio-ID.scope   cri-containerd-ID.scope
//! CRI, old   /system.slice/containerd.service/kubepods-podUID.slice:cri-containerd:ID
//! ECS        /ecs/TASK/ID   /ecs/TASK/TASK-NUMBER
//! others     /lxc.payload.NAME   /lxc/NAME   /machine.slice/machine-NAME.scope/payload
//! ```
//!
//! Containers nest; the innermost is where the process runs. What watches a container (`conmon`)
//! has a path that looks like it and is none.

/// Longest path that is looked at, bytes; the kernel's PATH_MAX.
const PATH_MAX_BYTES: usize = 4096;

/// Longest name of a unit, bytes (systemd's UNIT_NAME_MAX).
const UNIT_MAX_BYTES: usize = 256;

/// Hexadecimal digits of a container's id, as Docker, containerd, CRI-O and Podman make it.
const ID_DIGITS: usize = 64;

/// Where a cgroup's path says that its processes run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupPlace {
    /// Innermost systemd service or scope; that of a container is none.
    pub unit: Option<String>,
    /// Innermost container's id.
    pub container: Option<String>,
    /// Pod's unique id.
    pub pod: Option<String>,
}

/// What the lines of a `/proc/PID/cgroup` say together.
///
/// With cgroup v1 there is a line for each hierarchy, and a container need not stand in all of
/// them; systemd's own is `name=systemd`, that of v2 is numbered 0.
#[must_use]
pub fn cgroup_place(text: &[u8]) -> CgroupPlace {
    let mut place = CgroupPlace::default();
    let mut unit_by_systemd = false;
    for line in text.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(3, |byte| *byte == b':');
        let (Some(number), Some(controllers), Some(path)) =
            (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let found = path_place(path);
        place.pod = place.pod.or(found.pod);
        // A hierarchy without the container speaks of what started it.
        match (&place.container, &found.container) {
            (None, Some(_)) => {
                place.container = found.container;
                place.unit = found.unit;
                unit_by_systemd = false;
                continue;
            }
            (Some(_), None) => continue,
            _ => {}
        }
        let by_systemd = controllers == b"name=systemd" || number == b"0";
        if found.unit.is_some() && (place.unit.is_none() || (by_systemd && !unit_by_systemd)) {
            place.unit = found.unit;
            unit_by_systemd = by_systemd;
        }
    }
    place
}

/// What one path says.
#[must_use]
pub(super) fn path_place(path: &[u8]) -> CgroupPlace {
    let mut place = CgroupPlace::default();
    let Some(text) = path
        .get(..path.len().min(PATH_MAX_BYTES))
        .and_then(|path| std::str::from_utf8(path).ok())
    else {
        return place;
    };
    let mut before = "";
    let mut in_kubepods = false;
    let mut in_ecs = false;
    let parts = text.split('/').flat_map(|part| {
        // The old form of containerd's CRI puts three into one.
        let old = part.contains(":cri-containerd:") || part.contains(":crio:");
        part.split(if old { ':' } else { '/' })
    });
    for part in parts.filter(|part| !part.is_empty() && *part != "..") {
        in_kubepods |= part.contains("kubepods");
        if let Some(pod) = pod_of(part, in_kubepods) {
            // A pod inside a container belongs to a cluster inside it.
            place.pod = Some(pod);
            place.container = None;
        } else if let Some(id) = container_of(part, before, in_ecs) {
            // Quadlet's containers are their service's.
            let is_payload = part.starts_with("libpod-payload-");
            place.container = Some(id.to_owned());
            if !is_payload {
                place.unit = None;
            }
        } else if is_unit(part) {
            place.unit = Some(part.to_owned());
        }
        in_ecs |= part == "ecs";
        before = part;
    }
    place
}

/// Whether systemd runs processes in this: a service or a scope.
fn is_unit(part: &str) -> bool {
    let stem = part
        .strip_suffix(".service")
        .or_else(|| part.strip_suffix(".scope"));
    stem.is_some_and(|stem| !stem.is_empty()) && part.len() <= UNIT_MAX_BYTES
}

/// The pod's id, if `part` is a pod's cgroup: `podUID`, or `…-podU_I_D.slice`.
fn pod_of(part: &str, in_kubepods: bool) -> Option<String> {
    if !in_kubepods {
        return None;
    }
    let uid = match part.strip_suffix(".slice") {
        Some(slice) => slice.rsplit_once("-pod")?.1,
        None => part.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    // A UUID, or for a static pod the MD5 of its file.
    let is_uid = hex(&uid)
        && match uid.len() {
            36 => uid.bytes().filter(|b| *b == b'-').count() == 4,
            32 => !uid.contains('-'),
            _ => false,
        };
    is_uid.then_some(uid)
}

/// The container's id, if `part`, which stands below `before`, is a container's cgroup.
fn container_of<'p>(part: &'p str, before: &'p str, in_ecs: bool) -> Option<&'p str> {
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return Some(name).filter(|name| !name.is_empty());
    }
    if part == "payload" {
        let service = before.strip_prefix("systemd-nspawn@");
        let scope = before.strip_prefix("machine-");
        return service
            .and_then(|name| name.strip_suffix(".service"))
            .or_else(|| scope?.strip_suffix(".scope"));
    }
    if before == "lxc" && !part.ends_with(".service") && !part.ends_with(".scope") {
        return Some(part);
    }
    let stem = part.strip_suffix(".scope").unwrap_or(part);
    let (runtime, id) = stem.rsplit_once('-').unwrap_or(("", stem));
    if is_hex(id) && id.len() == ID_DIGITS {
        return (!runtime.ends_with("conmon")).then_some(id);
    }
    // Fargate: the task's id with a number.
    let by_task = in_ecs && is_hex(runtime) && runtime.len() == 32 && !id.is_empty();
    if by_task && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(stem);
    }
    None
}

fn is_hex(text: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    !text.is_empty() && text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::{CgroupPlace, cgroup_place};

    /// Paths as real hosts have them, and what each says.
    const CORPUS: &str = include_str!("../../../tests/fixtures/lookup/cgroups.txt");

    #[track_caller]
    fn check(text: &[u8], unit: &str, container: &str, pod: &str) {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let expected = CgroupPlace {
            unit: some(unit),
            container: some(container),
            pod: some(pod),
        };
        let shown = String::from_utf8_lossy(text);
        assert_eq!(cgroup_place(text), expected, "{shown}");
    }

    #[test]
    fn every_path_of_the_corpus_says_what_stands_beside_it() {
        let mut lines = Vec::new();
        let mut cases = 0;
        for line in CORPUS.lines().filter(|line| !line.starts_with('#')) {
            if let Some(expected) = line.strip_prefix("=>") {
                let field = |name: &str| {
                    let mut words = expected.split(' ');
                    let found = words.find_map(|word| word.strip_prefix(name));
                    found.unwrap_or_default().to_owned()
                };
                let [unit, container, pod] = ["unit=", "container=", "pod="].map(field);
                check(lines.join("\n").as_bytes(), &unit, &container, &pod);
                lines.clear();
                cases += 1;
            } else if !line.is_empty() {
                lines.push(line);
            }
        }
        assert!(lines.is_empty() && cases >= 40, "{cases} cases");
    }

    #[test]
    fn what_is_no_path_says_nothing() {
        for text in [
            &b""[..],
            b"\n\n:::",
            b"0::",
            b"0::/",
            b"0::/.service",
            b"0::\xff\xfe/a.service",
            b"no colon",
            b"0::/pod12345678-1234-1234-1234-123456789abc",
            b"0::/kubepods/podx",
            b"0::/docker/ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789",
        ] {
            check(text, "", "", "");
        }
    }

    #[test]
    fn an_endless_path_is_cut() {
        let mut path = b"0::".to_vec();
        path.extend(b"/a".repeat(1 << 20));
        path.extend(b"/x.service");
        check(&path, "", "", "");
        check(
            format!("0::/{}.service", "a".repeat(300)).as_bytes(),
            "",
            "",
            "",
        );
    }
}
