//! What each room is told: the file's sections cut the way rooms are.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::openapi::{self, OpenapiError};
use super::protobuf::{self, DescriptorError};
use super::{Config, Identity, Mode, Period, Role, Size};
use crate::detect::Specification;
use crate::protocol::http1;
use crate::{exchange, journal, probe, stream};

/// Where the cgroup v2 hierarchy may be mounted: alone, or beside version 1.
const CGROUP_MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// What the agent takes before it hears anything, bytes.
const OWN_BYTES: u64 = 24 << 20;

/// Least that conns have together, bytes.
const CONNS_MIN_BYTES: u64 = 4 << 20;

/// Least that exchanges on their way out have together, bytes.
const QUEUE_MIN_BYTES: u64 = 2 << 20;

/// An excluded cgroup that is not there.
#[derive(Debug, thiserror::Error)]
#[error("capture.exclude.cgroups: no cgroup {} on this host", path.display())]
pub struct CgroupError {
    /// The cgroup, as given.
    pub path: PathBuf,
    /// Why it cannot be looked at.
    #[source]
    pub source: std::io::Error,
}

impl Config {
    /// What the tap is told.
    ///
    /// # Errors
    /// [`CgroupError`] if an excluded cgroup does not exist.
    pub fn probe(&self) -> Result<probe::Options, CgroupError> {
        let capture = &self.capture;
        let body = capture.body.request.max(capture.body.response);
        let exclude = &capture.exclude;
        let cgroups = exclude.cgroups.iter().map(|path| cgroup_id(path));
        Ok(probe::Options {
            mode: match capture.mode {
                Mode::Auto => probe::Mode::Auto,
                Mode::Socket => probe::Mode::Socket,
                Mode::Syscall => probe::Mode::Syscall,
            },
            tls: capture.tls,
            roles: capture.roles.iter().map(|role| (*role).into()).collect(),
            exclude_ports: exclude.ports.clone(),
            exclude_processes: exclude.processes.clone(),
            exclude_cgroups: cgroups.collect::<Result<_, _>>()?,
            ring_bytes: u32::try_from(capture.ring.bytes()).unwrap_or(u32::MAX),
            copy_per_call_bytes: u32::try_from(capture.copy_per_call.bytes()).unwrap_or(u32::MAX),
            body_bytes: u32::try_from(body.bytes()).unwrap_or(u32::MAX),
            connections: self.limits.connections,
            ..probe::Options::default()
        })
    }

    /// Bounds of the conns, all shards together.
    ///
    /// Five eighths of what is left for traffic.
    #[must_use]
    pub fn stream(&self) -> stream::Options {
        let limits = &self.limits;
        let conns = self.traffic_bytes() / 8 * 5;
        stream::Options {
            conns: limits.connections as usize,
            conn_bytes: limits.connection.to_usize(),
            bytes: Size(conns.max(CONNS_MIN_BYTES)).to_usize(),
            idle_ns: ns(limits.idle),
            forget_ns: ns(limits.forget),
            ..stream::Options::default()
        }
    }

    /// What is kept of exchanges, and what the descriptor files that are named say of them.
    ///
    /// # Errors
    /// [`DescriptorError`] if one of them cannot be read.
    pub fn exchange(&self) -> Result<exchange::Options, DescriptorError> {
        Ok(exchange::Options {
            request_body_bytes: self.capture.body.request.to_usize(),
            response_body_bytes: self.capture.body.response.to_usize(),
            limits: http1::Limits {
                head_bytes: self.limits.head.to_usize(),
                fields: self.limits.fields as usize,
            },
            servers: self.capture.roles.contains(&Role::Server),
            clients: self.capture.roles.contains(&Role::Client),
            schema: Arc::new(protobuf::read(&self.identity.protobuf)?),
            login_routes: Arc::new(self.identity.login_routes.clone()),
            ..exchange::Options::default()
        })
    }

    /// How it is known who asked and for what, with the routes of the OpenAPI documents that are named.
    ///
    /// # Errors
    /// [`OpenapiError`] if one of them cannot be read.
    pub fn identity(&self) -> Result<Identity, OpenapiError> {
        let mut identity = self.identity.clone();
        for path in std::mem::take(&mut identity.openapi) {
            identity.routes.extend(openapi::read(&path)?.routes());
        }
        Ok(identity)
    }

    /// What the detectors are told, with what OpenAPI documents say, and where rules lie; `None` if
    /// nothing is looked for.
    ///
    /// # Errors
    /// [`OpenapiError`] if a document cannot be read.
    pub fn detect(&self) -> Result<Option<(crate::detect::Options, PathBuf)>, OpenapiError> {
        let Some(mut options) = self.detect.options() else {
            return Ok(None);
        };
        let mut specification = Specification::default();
        for path in &self.identity.openapi {
            specification.extend(openapi::read(path)?.specification());
        }
        options.specification = Arc::new(specification);
        Ok(Some((options, self.detect.rules.clone())))
    }

    /// Bytes of exchanges that may wait to be sealed: a quarter of what is left for traffic.
    #[must_use]
    pub fn queue_bytes(&self) -> u64 {
        (self.traffic_bytes() / 4).max(QUEUE_MIN_BYTES)
    }

    /// What `limits.memory` leaves for traffic, bytes: the ring and what the agent has of its own go off
    /// first. What neither conns nor exchanges on their way out may have is for what grows while it is
    /// read, and for what an allocator wastes.
    fn traffic_bytes(&self) -> u64 {
        let memory = self.limits.memory.bytes();
        memory.saturating_sub(self.capture.ring.bytes() + OWN_BYTES)
    }
}

impl super::Journal {
    /// What the journal is told. `readers` are the names of the cursors that hold segments back.
    #[must_use]
    pub fn options(&self, readers: Vec<String>) -> journal::Options {
        journal::Options {
            readers,
            keep_bytes: self.keep.bytes.bytes(),
            keep_age: self.keep.age.0,
            min_free: self.min_free.bytes(),
            sync: self.sync.0,
            drop_unsent: self.drop_unsent,
            ..journal::Options::new(self.dir.clone(), journal::KeyPlace::of(&self.dir))
        }
    }
}

impl From<Role> for eaves_common::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Server => Self::Server,
            Role::Client => Self::Client,
        }
    }
}

/// The id of a cgroup: the inode number of its folder (cgroup v2, Linux 4.18).
fn cgroup_id(path: &str) -> Result<u64, CgroupError> {
    let mount = CGROUP_MOUNTS
        .iter()
        .map(Path::new)
        .find(|mount| mount.join("cgroup.controllers").exists());
    let folder = mount
        .unwrap_or(Path::new(CGROUP_MOUNTS[0]))
        .join(path.trim_start_matches('/'));
    fs::metadata(&folder)
        .map(|metadata| metadata.ino())
        .map_err(|source| CgroupError {
            path: path.into(),
            source,
        })
}

fn ns(period: Period) -> u64 {
    u64::try_from(period.0.as_nanos()).unwrap_or(u64::MAX)
}
