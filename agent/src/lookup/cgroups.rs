//! Ids of cgroups → paths, for processes that were gone before anybody looked: their kernel records
//! carry the id.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::cgroup::{CgroupPlace, path_place};

/// Where the cgroup v2 hierarchy may be mounted: alone, or beside version 1.
pub(super) const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// Most cgroups that are known; a host has a few hundred.
const CGROUPS_MAX: usize = 16_384;

/// Deepest below the root that is looked.
const DEPTH_MAX: usize = 24;

/// Least time between two walks over all cgroups: one takes about 5 µs a cgroup.
const WALK_EVERY: Duration = Duration::from_secs(1);

/// What is known of cgroups, by id.
#[derive(Debug)]
pub(super) struct Cgroups {
    mount: Option<PathBuf>,
    known: HashMap<u64, CgroupPlace>,
    walked: Option<Instant>,
}

impl Cgroups {
    /// Of the hierarchy at the first of `mounts` that is one of version 2.
    pub(super) fn new(mounts: &[&Path]) -> Self {
        let is_v2 = |mount: &&&Path| mount.join("cgroup.controllers").exists();
        let mount = mounts.iter().find(is_v2);
        Self {
            mount: mount.map(|mount| mount.to_path_buf()),
            known: HashMap::new(),
            walked: None,
        }
    }

    /// Keeps the path of a cgroup by the `/proc/PID/cgroup` of a process that was in it: it may be
    /// gone when its other processes are looked for.
    pub(super) fn learn(&mut self, id: u64, text: &[u8]) {
        let Some(mount) = self
            .mount
            .as_ref()
            .filter(|_| !self.known.contains_key(&id))
        else {
            return;
        };
        let mut lines = text.split(|byte| *byte == b'\n');
        let Some(path) = lines.find_map(|line| line.strip_prefix(b"0::/")) else {
            return;
        };
        // It may have been moved since.
        let folder = mount.join(OsStr::from_bytes(path));
        if fs::metadata(folder).is_ok_and(|metadata| metadata.ino() == id) {
            if self.known.len() >= CGROUPS_MAX {
                self.known.clear();
            }
            self.known.insert(id, path_place(path));
        }
    }

    /// What is known of a cgroup; walks over all of them if it is not known, but not often.
    pub(super) fn find(&mut self, id: u64, now: Instant) -> CgroupPlace {
        if id == 0 {
            return CgroupPlace::default();
        }
        let due = self
            .walked
            .is_none_or(|walked| now.duration_since(walked) >= WALK_EVERY);
        if !self.known.contains_key(&id) && due {
            self.walked = Some(now);
            self.walk();
        }
        self.known.get(&id).cloned().unwrap_or_default()
    }

    /// The id of a cgroup is the inode number of its folder (Linux 4.18), which a listing tells.
    /// Cgroups that are gone stay known: ids do not come back.
    fn walk(&mut self) {
        let Some(mount) = &self.mount else { return };
        let mut found = std::mem::take(&mut self.known);
        if found.len() >= CGROUPS_MAX / 2 {
            found.clear();
        }
        let mut below = vec![(mount.clone(), String::new(), 0)];
        while let Some((folder, path, depth)) = below.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if !is_folder || found.len() >= CGROUPS_MAX {
                    continue;
                }
                let path = format!("{path}/{}", entry.file_name().to_string_lossy());
                found.insert(entry.ino(), path_place(path.as_bytes()));
                if depth < DEPTH_MAX {
                    below.push((entry.path(), path, depth + 1));
                }
            }
        }
        self.known = found;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::time::{Duration, Instant};

    use super::Cgroups;

    #[test]
    fn a_cgroup_is_found_by_its_id_and_walks_are_rare() {
        let root = std::env::temp_dir().join(format!("eaves-cgroups-{}", std::process::id()));
        let unit = root.join("system.slice/nginx.service");
        fs::create_dir_all(&unit).unwrap();
        fs::write(root.join("cgroup.controllers"), "").unwrap();
        let mut cgroups = Cgroups::new(&[&root.join("none"), &root]);
        cgroups.learn(7, b"1:name=systemd:/x\n0::/system.slice/nginx.service\n");
        let now = Instant::now();
        let id = fs::metadata(&unit).unwrap().ino();
        let unit_of = |cgroups: &mut Cgroups, id, now| cgroups.find(id, now).unit;
        assert_eq!(unit_of(&mut cgroups, id, now).unwrap(), "nginx.service");
        let late = root.join("late.service");
        fs::create_dir(&late).unwrap();
        let id = fs::metadata(&late).unwrap().ino();
        assert_eq!(unit_of(&mut cgroups, id, now), None);
        let later = now + Duration::from_secs(1);
        assert_eq!(unit_of(&mut cgroups, id, later).unwrap(), "late.service");
        assert_eq!(unit_of(&mut cgroups, 0, later), None);
        assert_eq!(unit_of(&mut cgroups, 7, later), None, "it was moved");

        let short = root.join("short.service");
        fs::create_dir(&short).unwrap();
        let id = fs::metadata(&short).unwrap().ino();
        cgroups.learn(id, b"0::/short.service");
        fs::remove_dir(short).unwrap();
        assert_eq!(unit_of(&mut cgroups, id, later).unwrap(), "short.service");
        fs::remove_dir_all(root).unwrap();
    }
}
