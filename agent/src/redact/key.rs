//! The secret behind the hashes: made at the first start, for its owner alone.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::hex;
use crate::keyed::HashKey;

/// Name of its file, beside the journal's key.
pub const KEY_FILE: &str = "redact.key";

/// Bytes of a secret that is made.
const BYTES: usize = 32;

/// Largest file that is read, bytes.
const FILE_MAX_BYTES: u64 = 4096;

/// A key for this run alone.
///
/// # Errors
/// The kernel has no random bytes.
pub fn random_key() -> io::Result<HashKey> {
    Ok(HashKey::new(&random()?))
}

/// The key whose secret lies in `file`; made if it is not there. To change the key, remove the file.
///
/// # Errors
/// It cannot be read or made, or is empty.
pub fn load_or_make_key(file: &Path) -> io::Result<HashKey> {
    match load(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(file)?;
            load(file)
        }
        loaded => loaded,
    }
}

fn load(file: &Path) -> io::Result<HashKey> {
    if fs::metadata(file)?.len() > FILE_MAX_BYTES {
        return Err(io::Error::other("is too large to be a secret"));
    }
    let secret = fs::read(file)?;
    match secret.trim_ascii() {
        [] => Err(io::Error::other("is empty")),
        secret => Ok(HashKey::new(secret)),
    }
}

fn random() -> io::Result<[u8; BYTES]> {
    let mut secret = [0; BYTES];
    let mut filled = 0;
    while let Some(rest) = secret.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(secret)
}

/// Makes a secret. Of two processes that do so at the same time the first wins: the file is linked
/// into its place, never over one that is there.
fn make(file: &Path) -> io::Result<()> {
    if let Some(dir) = file.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(dir)?;
    }
    let text = hex::encode(&random()?);
    let beside = file.with_extension(format!("{}.new", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut made| {
            writeln!(made, "{text}")?;
            made.sync_all()
        })
        .and_then(|()| match fs::hard_link(&beside, file) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    fs::remove_file(&beside)?;
    written
}

#[cfg(test)]
mod tests {
    use super::{KEY_FILE, load_or_make_key, random_key};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone() {
        let dir = std::env::temp_dir().join(format!("eaves-redact-key-{}", std::process::id()));
        let file = dir.join("deep").join(KEY_FILE);
        let hash = || load_or_make_key(&file).unwrap().hash(b"token");
        let first = hash();
        assert_eq!(hash(), first);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&file, "another\n").unwrap();
        assert_ne!(hash(), first);
        std::fs::write(&file, "\n").unwrap();
        assert!(load_or_make_key(&file).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
        assert_ne!(
            random_key().unwrap().hash(b"a"),
            random_key().unwrap().hash(b"a")
        );
    }
}
