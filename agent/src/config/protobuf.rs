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
    #[error("identity.protobuf: {}: {source}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SchemaError,
    },
    /// All of them together do not say what they must.
    #[error("identity.protobuf: no file of these {0}")]
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
