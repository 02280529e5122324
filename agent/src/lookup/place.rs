//! What is known of a process and of where it runs: plain data, shared by all its exchanges.

use std::sync::Arc;

use crate::clock::Ktime;
use eaves_common::COMM_BYTES;

/// Names a process as it was when it moved bytes.
///
/// Its id alone would not do: ids come back. The start tells two processes of one id apart, the
/// name a process from what it became by `exec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProcessKey {
    /// Process id, as the host's first namespace counts.
    pub pid: u32,
    /// When it started.
    pub start: Ktime,
    /// Id of its cgroup in the v2 hierarchy; 0 if there is none.
    pub cgroup: u64,
    /// Its name, NUL-padded.
    pub comm: [u8; COMM_BYTES],
}

impl ProcessKey {
    /// Of what a kernel record carries.
    #[must_use]
    pub fn new(pid: u32, start: Ktime, cgroup: u64, name: &[u8]) -> Self {
        let mut comm = [0; COMM_BYTES];
        for (place, byte) in comm.iter_mut().zip(name) {
            *place = *byte;
        }
        Self {
            pid,
            start,
            cgroup,
            comm,
        }
    }

    /// Its name, without the NULs.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let end = self.comm.iter().position(|byte| *byte == 0);
        self.comm
            .get(..end.unwrap_or(COMM_BYTES))
            .unwrap_or_default()
    }
}

/// A process and where it runs. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The process.
    pub process: Process,
    /// The container it runs in.
    pub container: Option<Arc<Container>>,
    /// The pod it runs in.
    pub pod: Option<Arc<Pod>>,
}

/// What /proc says of a process, beyond what the kernel record carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The file it executes, as its own root has it.
    pub executable: Option<Vec<u8>>,
    /// Its arguments, each ended by NUL; cut at [`COMMAND_LINE_MAX_BYTES`](super::proc::COMMAND_LINE_MAX_BYTES).
    pub command_line: Vec<u8>,
    /// The user whose rights it has: a name, or a number that has none.
    pub user: Option<String>,
    /// The process it belongs to now: the one that made it, unless that is gone.
    pub parent: Option<Parent>,
    /// The systemd service or scope it runs in.
    pub unit: Option<String>,
}

/// A parent process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub name: Vec<u8>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// As its runtime names it.
    pub id: String,
    /// As people name it.
    pub name: Option<String>,
    /// What it was made of.
    pub image: Option<String>,
    /// Its labels, by name.
    pub labels: Vec<(String, String)>,
}

/// A Kubernetes pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its unique id.
    pub uid: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its labels, by name.
    pub labels: Vec<(String, String)>,
    /// What made it, and makes it anew.
    pub owner: Option<Owner>,
}

/// What a pod belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, …
    pub kind: String,
    /// Its name.
    pub name: String,
}

fn text(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::capacity)
}

fn labels(labels: &[(String, String)]) -> usize {
    let each = labels.iter();
    let bytes = |(name, value): &(String, String)| name.capacity() + value.capacity();
    each.map(|label| size_of::<(String, String)>() + bytes(label))
        .sum()
}

impl Container {
    /// Memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let names = self.id.capacity() + text(&self.name) + text(&self.image);
        size_of::<Self>() + names + labels(&self.labels)
    }
}

impl Pod {
    /// Memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let names = self.uid.capacity() + text(&self.namespace) + text(&self.name);
        let owner = self.owner.as_ref();
        let owner = owner.map_or(0, |owner| owner.kind.capacity() + owner.name.capacity());
        size_of::<Self>() + names + labels(&self.labels) + owner
    }
}

impl Place {
    /// Memory it takes, in bytes; a container or pod counts for each place that shares it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let process = &self.process;
        let own = process.executable.as_ref().map_or(0, Vec::capacity)
            + process.command_line.capacity()
            + text(&process.user)
            + process.parent.as_ref().map_or(0, |p| p.name.capacity())
            + text(&process.unit);
        let container = self
            .container
            .as_ref()
            .map_or(0, |container| container.bytes());
        let pod = self.pod.as_ref().map_or(0, |pod| pod.bytes());
        size_of::<Self>() + own + container + pod
    }
}
