//! Capabilities, and walls that are put up around threads of this process.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities, no_new_privs};

use super::needed::{is_denied, is_readable, without};
use super::{May, Need, Wall, bare, calls, folders, keep, keeping, walls};

fn has() -> CapabilitySet {
    capabilities(None).unwrap().permitted
}

#[track_caller]
fn check(may: impl Into<May> + 'static, most: CapabilitySet) {
    let had = has();
    let read = || {
        let sets = capabilities(None).unwrap();
        assert_eq!(sets.effective, sets.permitted);
        assert!(sets.inheritable.is_empty() && no_new_privs().unwrap());
        // One that it starts has no more, and gets none back.
        let inner = thread::spawn(|| {
            keep([Need::Attach]);
            has()
        });
        assert!(sets.permitted.contains(inner.join().unwrap()));
        sets.permitted
    };
    let kept = thread::spawn(keeping(may, read)).join().unwrap();
    assert_eq!(kept, had & most);
    assert_eq!(has(), had, "who starts it keeps its own");
}

#[test]
fn a_thread_has_what_it_needs_and_those_it_starts_no_more() {
    check([], CapabilitySet::empty());
    let looks = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
    check([Need::Processes], looks);
    check([Need::Read], CapabilitySet::DAC_READ_SEARCH);
    // Nobody has said that the kernel, or a folder, asks for more.
    check([Need::Maps, Need::Write], CapabilitySet::empty());
}

#[test]
fn what_attaches_has_what_the_page_on_installing_lists() {
    let page = include_str!("../../../docs/install.md");
    let rows = page.lines().filter(|line| line.starts_with("| `CAP_"));
    let named: Vec<_> = rows.flat_map(|row| row.split('`')).collect();
    let mut listed: Vec<_> = named
        .iter()
        .filter(|word| word.starts_with("CAP_"))
        .collect();
    listed.sort();
    let mut kept: Vec<_> = Need::Attach
        .capabilities()
        .iter_names()
        .map(|one| one.0)
        .collect();
    kept.sort_unstable();
    let listed: Vec<_> = listed
        .iter()
        .filter_map(|one| one.strip_prefix("CAP_"))
        .collect();
    assert_eq!(kept, listed);
}

#[test]
fn one_that_panics_answers_nothing() {
    assert_eq!(without(|| 7), Some(7));
    assert_eq!(without(|| -> u8 { panic!("a test's") }), None);
}

#[test]
fn a_folder_of_another_user_asks_for_more_and_one_to_be_made_does_not() {
    let dir = std::env::temp_dir().join(format!("eaves-guard-{}", std::process::id()));
    fs::create_dir_all(dir.join("theirs")).unwrap();
    fs::write(dir.join("file"), "").unwrap();
    fs::set_permissions(dir.join("theirs"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o644)).unwrap();
    if geteuid().is_root() {
        chown(dir.join("theirs"), Some(65534), None).unwrap();
        chown(dir.join("file"), Some(65534), None).unwrap();
        let denied = |path: PathBuf| thread::spawn(bare(move || is_denied(&path)));
        let denied = |path: &str| denied(dir.join(path)).join().unwrap();
        assert!(denied("theirs/journal/0") && denied("theirs/journal") && denied("file"));
        assert!(!denied("ours/journal/0") && !denied("ours"));
        let readable = |path: &Path| {
            let path = path.to_owned();
            thread::spawn(bare(move || is_readable(&path)))
                .join()
                .unwrap()
        };
        assert!(readable(&dir) && readable(&dir.join("theirs")) && readable(&dir.join("none")));
        fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!readable(&dir) && !readable(&dir.join("file")));
    }
    assert!(!is_denied(&dir.join("a/b")) && !is_denied(Path::new("no-folder")));
    fs::remove_dir_all(&dir).unwrap();
}

/// What `body` gives behind the walls of a thread that may do this.
fn behind<T: Send + 'static>(may: May, body: impl FnOnce() -> T + Send + 'static) -> T {
    let enclosed = move || {
        no_new_privs_from_now_on();
        // Where this host has none, the calls alone are kept from it.
        let _ = folders::enclose(&may);
        calls::enclose(&may).unwrap();
        body()
    };
    thread::spawn(enclosed).join().unwrap()
}

fn no_new_privs_from_now_on() {
    rustix::thread::set_no_new_privs(true).unwrap();
}

/// A folder of a test's own.
fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("eaves-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn has_landlock() -> bool {
    matches!(walls().files, Wall::Stands(_))
}

#[test]
fn this_host_has_both_walls_or_says_why_not() {
    let walls = walls();
    assert_eq!(walls.calls, Wall::Stands("seccomp".to_owned()));
    assert_eq!(walls.lacking().is_none(), has_landlock());
    assert!(super::raised().is_none(), "nobody asked for any");
}

#[test]
fn who_may_do_nothing_still_works() {
    let [sum, opened, ran, spoke, listened] = behind(May::default(), || {
        let (to, from) = mpsc::channel();
        // More than the allocator has at hand, given back at once.
        let sum: u64 = (0..1 << 20).collect::<Vec<u64>>().iter().sum();
        to.send(sum == (1 << 19) * ((1 << 20) - 1)).unwrap();
        thread::sleep(Duration::from_millis(1));
        let panicked = std::panic::catch_unwind(|| panic!("a test's")).is_err();
        let waited = Instant::now();
        assert!(from.recv_timeout(Duration::from_millis(1)).unwrap());
        assert!(from.recv_timeout(Duration::from_millis(1)).is_err());
        [
            panicked && waited.elapsed() < Duration::from_secs(60),
            fs::read("/etc/passwd").is_ok() || fs::read_dir("/").is_ok(),
            Command::new("/bin/true").spawn().is_ok(),
            TcpStream::connect("127.0.0.1:1")
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused),
            TcpListener::bind("127.0.0.1:0").is_ok(),
        ]
    });
    assert!(sum && !opened && !ran && !spoke && !listened);
}

#[test]
fn who_reads_reads_there_alone() {
    let dir = folder("reads");
    let (mine, other) = (dir.join("mine"), dir.join("other"));
    fs::create_dir_all(mine.join("below")).unwrap();
    for file in [mine.join("below/a"), other.clone()] {
        fs::write(file, "text").unwrap();
    }
    let landlock = has_landlock();
    let place = mine.clone();
    behind(May::default().reading(&mine), move || {
        assert_eq!(fs::read(place.join("below/a")).unwrap(), b"text");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
        assert_eq!(fs::metadata(&other).unwrap().len(), 4);
        assert_eq!(fs::read(&other).is_err(), landlock);
        for file in [place.join("below/a"), place.join("new"), other] {
            fs::write(&file, "").unwrap_err();
            fs::remove_file(&file).unwrap_err();
            fs::rename(&file, file.with_extension("1")).unwrap_err();
            OpenOptions::new().append(true).open(&file).unwrap_err();
        }
    });
    assert_eq!(fs::read(mine.join("below/a")).unwrap(), b"text");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn who_writes_writes_there_alone() {
    let dir = folder("writes");
    let (mine, other) = (dir.join("mine"), dir.join("other"));
    for place in [&mine, &other] {
        fs::create_dir_all(place).unwrap();
        fs::write(place.join("a"), "text").unwrap();
    }
    let may = May::default().writing(mine.join("a"));
    assert!(
        may.may_write(&mine.join("new")) && may.may_read(&mine) && !may.may_write(&other.join("a"))
    );
    let landlock = has_landlock();
    let places = (mine.clone(), other.clone());
    behind(may, move || {
        let (mine, other) = places;
        fs::rename(mine.join("a"), mine.join("a.1")).unwrap();
        fs::write(mine.join("a"), "more").unwrap();
        fs::create_dir(mine.join("b")).unwrap();
        fs::hard_link(mine.join("a"), mine.join("c")).unwrap();
        fs::remove_file(mine.join("a.1")).unwrap();
        let file = fs::File::open(mine.join("a")).unwrap();
        file.try_lock().unwrap();
        file.sync_all().unwrap();
        let denied = [
            fs::write(other.join("a"), "").is_err(),
            fs::write(other.join("new"), "").is_err(),
            fs::read(other.join("a")).is_err(),
            fs::remove_file(other.join("a")).is_err(),
        ];
        assert_eq!(denied, [landlock; 4]);
        // Whatever the kernel: no rights are changed, and no links lead out.
        fs::set_permissions(mine.join("a"), fs::Permissions::from_mode(0o777)).unwrap_err();
        symlink("/etc", mine.join("etc")).unwrap_err();
        Command::new("/bin/true").spawn().unwrap_err();
    });
    let text = fs::read_to_string(other.join("a")).unwrap_or_default();
    assert_eq!(text == "text", landlock);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_file_that_is_a_link_is_read_where_it_lies() {
    let dir = folder("links");
    let (named, lies) = (dir.join("named"), dir.join("lies"));
    for place in [&named, &lies] {
        fs::create_dir_all(place).unwrap();
    }
    fs::write(lies.join("a"), "one").unwrap();
    symlink(lies.join("a"), named.join("a")).unwrap();
    let path = named.join("a");
    behind(May::default().reading(&path), move || {
        assert_eq!(fs::read(&path).unwrap(), b"one");
    });
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn who_speaks_to_others_does_not_listen_and_finds_names() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    behind(May::from([Need::Net]), move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .unwrap();
            tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            tokio::net::TcpListener::bind("127.0.0.1:0")
                .await
                .unwrap_err();
        });
    });
    behind(May::from([Need::Names]), move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let found = runtime.block_on(async {
            tokio::net::lookup_host(("localhost", port))
                .await
                .unwrap()
                .count()
        });
        assert!(found > 0);
        fs::write("/etc/eaves-was-here", "").unwrap_err();
    });
}

#[test]
fn what_begins_others_leaves_them_their_own_walls() {
    let dir = folder("begins");
    fs::write(dir.join("a"), "text").unwrap();
    let file = dir.join("a");
    let may = May::from([Need::Begin]).reading(&dir);
    behind(may, move || {
        assert_eq!(fs::read(&file).unwrap(), b"text");
        let inner = thread::spawn(move || {
            let landlock = folders::enclose(&May::default()).is_ok();
            calls::enclose(&May::default()).unwrap();
            (
                landlock,
                fs::read(&file).is_err(),
                thread::Builder::new().spawn(|| ()).is_err(),
            )
        });
        assert_eq!(inner.join().unwrap(), (has_landlock_here(), true, true));
        Command::new("/bin/true").spawn().unwrap_err();
    });
    fs::remove_dir_all(dir).unwrap();
}

/// As a thread within walls sees it.
fn has_landlock_here() -> bool {
    thread::spawn(|| folders::enclose(&May::default()).is_ok())
        .join()
        .unwrap()
}

#[test]
fn what_the_kernel_tells_of_this_process_is_read() {
    behind(May::from([Need::Own]), || {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
        assert!(fs::read_dir("/proc/self/task").unwrap().count() > 0);
        assert!(fs::read_dir("/proc/self/fdinfo").unwrap().count() > 0);
        fs::write("/proc/self/comm", "x").unwrap_err();
    });
}
