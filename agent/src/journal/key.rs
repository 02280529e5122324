//! The key that signs checkpoints.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::{SECRET_KEY_LENGTH, SigningKey};

use super::JournalError;
use super::segment::Hash;
use crate::hex;

/// Where the key comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPlace {
    /// Given by the service manager (systemd's `LoadCredential=eaves.key:…`); goes before `file`.
    pub credential: Option<PathBuf>,
    /// In the state directory; made at the first start.
    pub file: PathBuf,
}

/// Name of the credential that holds the key.
pub const CREDENTIAL: &str = "eaves.key";

/// Longest key file, bytes: hexadecimal, with spaces around.
const FILE_MAX_BYTES: u64 = 256;

/// Suffix of the file with the public key, for everyone to read.
const PUBLIC: &str = "pub";

/// What the name of the key that signed before has behind it.
const OLD: &str = ".old";

/// Name of the key's file.
const FILE: &str = "journal.key";

impl KeyPlace {
    /// Where the key of the journal in `dir` is: among the credentials of this service, else in its
    /// state directory, as systemd names them (systemd.exec(5)), else beside the journal.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        let named = |name: &str| {
            let value = std::env::var(name).ok()?;
            // There may be several, parted by colons.
            let first = value.split(':').next().unwrap_or_default();
            (!first.is_empty()).then(|| PathBuf::from(first))
        };
        let credential = named("CREDENTIALS_DIRECTORY").map(|place| place.join(CREDENTIAL));
        let beside = || dir.parent().unwrap_or(dir).to_owned();
        Self {
            credential: credential.filter(|path| path.exists()),
            file: named("STATE_DIRECTORY").unwrap_or_else(beside).join(FILE),
        }
    }

    /// The key; made if no credential is given and no file is there.
    ///
    /// # Errors
    /// It cannot be read or made, or is no key.
    pub(super) fn load_or_make(&self) -> Result<SigningKey, JournalError> {
        if let Some(credential) = &self.credential {
            return load(credential);
        }
        match load(&self.file) {
            Err(JournalError::Key { source, .. }) if source.kind() == ErrorKind::NotFound => {
                make(&self.file).map_err(|source| JournalError::Key {
                    path: self.file.clone(),
                    source,
                })
            }
            loaded => loaded,
        }
    }

    /// The key that signed before the one that stands there now, if it was left beside it.
    ///
    /// # Errors
    /// It cannot be read, or is no key.
    pub(super) fn load_old(&self) -> Result<Option<SigningKey>, JournalError> {
        match load(&self.old()) {
            Ok(key) => Ok(Some(key)),
            Err(JournalError::Key { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes the key that signed before: nothing needs it any more. What the service manager gives stays.
    pub(super) fn forget_old(&self) -> io::Result<()> {
        if self.credential.is_some() {
            return Ok(());
        }
        match fs::remove_file(self.old()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn old(&self) -> PathBuf {
        let mut path = self.credential.as_ref().unwrap_or(&self.file).clone();
        path.as_mut_os_string().push(OLD);
        path
    }

    /// The public key, as those who verify need it. Nothing is made.
    ///
    /// # Errors
    /// There is no key, or it cannot be read.
    pub fn public(&self) -> Result<PublicKey, JournalError> {
        if let Some(credential) = &self.credential {
            return load(credential).map(|key| PublicKey::of(&key));
        }
        let public = self.file.with_extension(PUBLIC);
        if let Ok(text) = fs::read_to_string(&public) {
            return PublicKey::parse(&text).ok_or(JournalError::KeyForm { path: public });
        }
        load(&self.file).map(|key| PublicKey::of(&key))
    }
}

/// The public key of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub Hash);

impl PublicKey {
    pub(super) fn of(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::decode(text.trim().as_bytes()).map(Self)
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

fn load(path: &Path) -> Result<SigningKey, JournalError> {
    let failed = |source| JournalError::Key {
        path: path.to_owned(),
        source,
    };
    let about = fs::metadata(path).map_err(failed)?;
    if about.len() > FILE_MAX_BYTES {
        return Err(JournalError::KeyForm {
            path: path.to_owned(),
        });
    }
    let bytes = fs::read(path).map_err(failed)?;
    let raw = <[u8; SECRET_KEY_LENGTH]>::try_from(bytes.as_slice()).ok();
    let secret = raw.or_else(|| hex::decode(bytes.trim_ascii()));
    let form = || JournalError::KeyForm {
        path: path.to_owned(),
    };
    secret
        .map(|secret| SigningKey::from_bytes(&secret))
        .ok_or_else(form)
}

/// Makes a key and its two files. Another process that makes one at the same time wins or loses
/// as a whole: the file is linked into its place, never over one that is there.
fn make(path: &Path) -> io::Result<SigningKey> {
    let mut secret = [0; SECRET_KEY_LENGTH];
    let mut filled = 0;
    while let Some(rest) = secret.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    let key = SigningKey::from_bytes(&secret);
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(dir)?;
    }
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = write(&beside, &hex::encode(&secret), 0o600)
        .and_then(|()| {
            write(
                &path.with_extension(PUBLIC),
                &PublicKey::of(&key).to_string(),
                0o644,
            )
        })
        .and_then(|()| fs::hard_link(&beside, path));
    fs::remove_file(&beside)?;
    written?;
    if let Some(dir) = path.parent() {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(key)
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{KeyPlace, PublicKey};
    use crate::hex;
    use crate::journal::testing::Folder;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = Folder::new();
        let place = KeyPlace {
            credential: None,
            file: folder.path().join("deep/journal.key"),
        };
        assert!(place.public().is_err());
        let key = place.load_or_make().unwrap();
        assert_eq!(place.load_or_make().unwrap(), key);
        assert_eq!(place.public().unwrap(), PublicKey::of(&key));
        let mode = std::fs::metadata(&place.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(folder.path().join("deep"))
                .unwrap()
                .count(),
            2
        );
    }

    #[test]
    fn a_credential_goes_before_the_file_raw_or_in_hexadecimal() {
        let folder = Folder::new();
        let given = folder.path().join("given");
        let place = KeyPlace {
            credential: Some(given.clone()),
            file: folder.path().join("journal.key"),
        };
        std::fs::write(&given, [7; 32]).unwrap();
        let raw = place.load_or_make().unwrap();
        std::fs::write(&given, format!("{}\n", hex::encode(&[7; 32]))).unwrap();
        assert_eq!(place.load_or_make().unwrap(), raw);
        assert!(!place.file.exists());
        std::fs::write(&given, "no key").unwrap();
        assert!(place.load_or_make().is_err());
        std::fs::remove_file(&given).unwrap();
        // A credential that is named and not there is no reason to make another key.
        assert!(place.load_or_make().is_err());
    }
}
