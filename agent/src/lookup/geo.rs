//! Addresses → country, place and network, from MMDB files that the user gives.
//!
//! A thread reads the files, checks them from end to end, and reads them again when they change; a
//! file that is damaged is told of, and what was read before stays in use. Their tables lie in
//! memory as they are on disk. Understood are databases with the fields of MaxMind's City, Country
//! and ASN, which others write too.

mod number;

use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

use number::Number;

use super::table::{Bounds, Table};
use crate::event::Location;
use crate::guard::{May, Need, keeping};
use crate::telemetry::{kept, with_causes};

/// The thread that reads.
const NAME: &str = "eaves-geo";

/// Largest file that is read, bytes; the largest that are sold have a few hundred MB.
const FILE_MAX_BYTES: u64 = 1 << 30;

/// How often it is looked whether a file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Addresses whose answer is kept: about 100 bytes each.
const ADDRESSES: Bounds = Bounds {
    entries: 8192,
    bytes: 1 << 20,
};

/// Longest name of a network that is kept, bytes.
const NAME_MAX_BYTES: usize = 256;

/// The files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeoFiles {
    /// Country and place of addresses.
    pub city: Option<PathBuf>,
    /// Network of addresses.
    pub asn: Option<PathBuf>,
}

/// Where an address is, as far as a database says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Geo {
    /// ISO 3166-1 code of the country, two capital letters.
    pub country: Option<String>,
    /// Latitude and longitude.
    pub location: Option<Location>,
    /// Number of the autonomous system.
    pub as_number: Option<u32>,
    /// Who runs it.
    pub as_name: Option<String>,
}

impl Geo {
    /// Memory it takes, in bytes.
    fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
        size_of::<Self>() + text(&self.country) + text(&self.as_name)
    }
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is larger than any such database.
    #[error("{} has {bytes} bytes; allowed: up to {FILE_MAX_BYTES}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It is no MMDB file, or a damaged one.
    #[error("{} is no MMDB file, or is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        #[source]
        source: MaxMindDbError,
    },
}

/// One database in memory.
#[derive(Debug)]
pub struct GeoTable(Reader<Vec<u8>>);

#[derive(Deserialize)]
struct City<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    #[serde(borrow)]
    registered_country: Option<Country<'a>>,
    location: Option<Degrees>,
}

#[derive(Deserialize)]
struct Country<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct Degrees {
    latitude: Option<Number>,
    longitude: Option<Number>,
}

#[derive(Deserialize)]
struct Network<'a> {
    autonomous_system_number: Option<Number>,
    autonomous_system_organization: Option<&'a str>,
}

impl GeoTable {
    /// Of a file's bytes, all of which are checked.
    ///
    /// # Errors
    /// Where they are no MMDB file, or damaged.
    pub fn new(bytes: Vec<u8>) -> Result<Self, MaxMindDbError> {
        let reader = Reader::from_source(bytes)?;
        reader.verify()?;
        Ok(Self(reader))
    }

    /// Of a file.
    ///
    /// # Errors
    /// [`GeoError`] says what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, GeoError> {
        let failed = |source| GeoError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        if metadata.len() > FILE_MAX_BYTES {
            return Err(GeoError::TooLarge {
                path: path.to_owned(),
                bytes: metadata.len(),
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.take(FILE_MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Self::new(bytes).map_err(|source| GeoError::Damaged {
            path: path.to_owned(),
            source,
        })
    }

    /// Adds what it says of `ip`: country and place, or network, whichever it has.
    pub fn add(&self, ip: IpAddr, geo: &mut Geo) {
        // A database of IPv4 alone says nothing of IPv6.
        let Ok(found) = self.0.lookup(ip) else { return };
        if let Ok(Some(city)) = found.decode::<City<'_>>() {
            let country = city.country.and_then(|country| country.iso_code);
            let registered = city.registered_country;
            let country = country.or_else(|| registered?.iso_code);
            if let Some(code) = country.filter(|code| is_country(code)) {
                geo.country = Some(code.to_owned());
            }
            let location = city
                .location
                .and_then(|degrees| Location::of(degrees.latitude?.0, degrees.longitude?.0));
            geo.location = location.or(geo.location);
        }
        if let Ok(Some(network)) = found.decode::<Network<'_>>() {
            let number = network.autonomous_system_number;
            geo.as_number = number.and_then(Number::whole).or(geo.as_number);
            if let Some(name) = network.autonomous_system_organization {
                let end = name.floor_char_boundary(NAME_MAX_BYTES);
                geo.as_name = name.get(..end).map(str::to_owned);
            }
        }
    }
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Which of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    City,
    Asn,
}

/// What is known of addresses.
#[derive(Debug)]
pub struct Atlas {
    city: Option<Arc<GeoTable>>,
    asn: Option<Arc<GeoTable>>,
    read: Receiver<(Which, Arc<GeoTable>)>,
    known: Table<IpAddr, Option<Arc<Geo>>>,
    /// The thread ends when this does.
    _alive: SyncSender<()>,
}

impl Atlas {
    /// Starts the thread that reads `files`; `None` if there are none.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(files: &GeoFiles) -> io::Result<Option<Self>> {
        let named = [(Which::City, &files.city), (Which::Asn, &files.asn)];
        let mut watched: Vec<Watched> = named
            .into_iter()
            .filter_map(|(which, path)| Some(Watched::new(which, path.clone()?)))
            .collect();
        if watched.is_empty() {
            return Ok(None);
        }
        let (to, read) = sync_channel(2);
        let (alive, ended) = sync_channel(0);
        let paths = watched.iter().map(|file| &file.path);
        let may = paths.fold(May::from([Need::Read]), May::reading);
        // A file that it falls over is not read again before it changes.
        let watching = kept(NAME, || false, move || watch(&mut watched, &to, &ended));
        thread::Builder::new()
            .name(NAME.into())
            .spawn(keeping(may, watching))?;
        Ok(Some(Self {
            city: None,
            asn: None,
            read,
            known: Table::new(ADDRESSES),
            _alive: alive,
        }))
    }

    /// Takes tables that have been read anew.
    pub fn take(&mut self) {
        while let Ok(read) = self.read.try_recv() {
            self.put(read);
        }
    }

    fn put(&mut self, (which, table): (Which, Arc<GeoTable>)) {
        match which {
            Which::City => self.city = Some(table),
            Which::Asn => self.asn = Some(table),
        }
        self.known = Table::new(ADDRESSES);
    }

    /// What is known of `ip`.
    pub fn of(&mut self, ip: IpAddr) -> Option<Arc<Geo>> {
        if let Some(known) = self.known.get(&ip) {
            return known.clone();
        }
        let mut geo = Geo::default();
        for table in [&self.city, &self.asn].into_iter().flatten() {
            table.add(ip, &mut geo);
        }
        let found = (geo != Geo::default()).then(|| Arc::new(geo));
        let bytes = found.as_ref().map_or(0, |geo| geo.bytes());
        self.known.insert(ip, found.clone(), bytes);
        found
    }
}

/// A file, and its state when it was read last.
#[derive(Debug)]
struct Watched {
    which: Which,
    path: PathBuf,
    read: Option<FileState>,
}

/// Device, inode, size, and when it was written and renamed.
type FileState = (u64, u64, u64, i64, i64, i64, i64);

impl Watched {
    const fn new(which: Which, path: PathBuf) -> Self {
        Self {
            which,
            path,
            read: None,
        }
    }

    /// The table, if the file is another than the last time.
    fn changed(&mut self) -> Option<Result<GeoTable, GeoError>> {
        let state = std::fs::metadata(&self.path).map(|file| {
            (
                file.dev(),
                file.ino(),
                file.size(),
                file.mtime(),
                file.mtime_nsec(),
                file.ctime(),
                file.ctime_nsec(),
            )
        });
        // A file that is not there is told of once, and once more when it went.
        let state = state.unwrap_or_default();
        if self.read == Some(state) {
            return None;
        }
        self.read = Some(state);
        Some(GeoTable::open(&self.path))
    }
}

fn watch(files: &mut [Watched], to: &SyncSender<(Which, Arc<GeoTable>)>, ended: &Receiver<()>) {
    loop {
        for file in &mut *files {
            match file.changed() {
                Some(Ok(table)) => {
                    let path = file.path.display();
                    tracing::info!(%path, "addresses are looked up in this file");
                    if to.send((file.which, Arc::new(table))).is_err() {
                        return;
                    }
                }
                Some(Err(error)) => {
                    let cause = with_causes(&error);
                    tracing::warn!(
                        cause,
                        "no addresses from this file; what was read before stays in use"
                    );
                }
                None => {}
            }
        }
        if ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
