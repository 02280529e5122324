//! Descriptor files of protobuf: what fields of gRPC's messages are called.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use crate::protocol::grpc::{Schema, SchemaBuilder, SchemaError};

/// Most bytes of a file. Those of all of Google's interfaces together take eight million.
const FILE_MAX_BYTES: u64 = 16 << 20;

/// A descriptor file that is none.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// It cannot be read.
    #[error("identity.protobuf: {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is longer than what is read.
    #[error("identity.protobuf: {}: is longer than 16 MiB", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It says what cannot be.
    #[error("identity.protobuf: {}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SchemaError,
    },
    /// All of them together do not say what they must.
    #[error("identity.protobuf: one of these files {0}")]
    Together(SchemaError),
}

/// Reads the descriptor files at `paths`, which may import from each other.
///
/// # Errors
/// One cannot be read, is no descriptor file, or names what none of them has.
pub(super) fn read(paths: &[PathBuf]) -> Result<Schema, DescriptorError> {
    let mut builder = SchemaBuilder::default();
    for path in paths {
        let path = || path.clone();
        let failed = |source| DescriptorError::Read {
            path: path(),
            source,
        };
        let file = File::open(path()).map_err(failed)?;
        let mut bytes = Vec::new();
        let mut file = file.take(FILE_MAX_BYTES + 1);
        file.read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > FILE_MAX_BYTES {
            return Err(DescriptorError::TooLong { path: path() });
        }
        let wrong = |source| DescriptorError::Wrong {
            path: path(),
            source,
        };
        builder.file(&bytes).map_err(wrong)?;
    }
    builder.finish().map_err(DescriptorError::Together)
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fs;

    use super::read;

    const SHOP: &[u8] = include_bytes!("../../../tests/fixtures/grpc/shop.pb");

    /// What is said of a file with `bytes`, and why.
    #[track_caller]
    fn check(name: &str, bytes: &[u8], expected: &[&str]) {
        let path = std::env::temp_dir().join(format!("eaves-{name}-{}.pb", std::process::id()));
        fs::write(&path, bytes).unwrap();
        let failed = read(std::slice::from_ref(&path)).unwrap_err();
        fs::remove_file(&path).unwrap();
        let chain = std::iter::successors(Some(&failed as &dyn Error), |one| (**one).source());
        let path = path.display().to_string();
        let chain: Vec<_> = chain
            .map(|one| one.to_string().replace(&path, "FILE"))
            .collect();
        assert_eq!(chain, expected);
    }

    /// A descriptor file without the first of its sources, as `protoc` writes it where imports are left out.
    fn without_the_first() -> &'static [u8] {
        let [tag, low, high, ..] = *SHOP else {
            panic!("{SHOP:?}");
        };
        assert_eq!(tag, 0x0a);
        let (length, front) = if low < 0x80 {
            (usize::from(low), 2)
        } else {
            (usize::from(low & 0x7f) | usize::from(high) << 7, 3)
        };
        &SHOP[front + length..]
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        let none = "is no descriptor file, as `protoc --descriptor_set_out` writes them";
        check(
            "wrong",
            b"syntax = \"proto3\";",
            &["identity.protobuf: FILE", none],
        );
        check(
            "missing",
            without_the_first(),
            &[
                "identity.protobuf: one of these files names the type google.protobuf.Timestamp, which no file has; `protoc --include_imports` puts it in",
            ],
        );
        // A field of a type that there is not: known only when all are put together.
        let odd = b"\x0a\x0e\x22\x0c\x0a\x01M\x12\x07\x0a\x01f\x18\x01\x28\x63";
        let together = format!("identity.protobuf: one of these files {none}");
        check("form", odd, &[&together]);
    }
}
