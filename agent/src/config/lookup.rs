//! Section `lookup`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, Period};
use crate::lookup::{self, GeoFiles, Others, PodsOptions};

/// Where the name of this node stands in a pod that is told it (the downward API).
const NODE_VARIABLE: &str = "NODE_NAME";

/// What is asked about the processes and addresses that are heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lookup {
    /// Longest that an exchange waits for what is known of its process: it is looked up beside the
    /// flow. One that waited in vain is reported with what the kernel said.
    #[schemars(extend("x-min" = "0s", "x-max" = "50ms"))]
    pub wait: Period,
    /// Databases that say where clients' addresses are, in MaxMind's format. They lie in memory as
    /// large as they are, beside `limits.memory`, and are read anew when they change.
    pub geo: Geo,
    /// Sockets of Docker or Podman that are asked for names, images and labels of containers, as in
    /// `/run/docker.sock`. Off by default: who may open such a socket is root on this host.
    #[schemars(length(max = 8), extend("x-check-items" = "absolute_path"))]
    pub containers: Vec<PathBuf>,
    /// Asks the API server for names, labels and owners of this node's pods. Without this section
    /// pods are told by their unique id alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
}

/// Databases that say where addresses are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Geo {
    /// Country and place: a City or Country database.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-check" = "absolute_path"))]
    pub city: Option<PathBuf>,
    /// Autonomous system: an ASN database.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-check" = "absolute_path"))]
    pub asn: Option<PathBuf>,
}

/// How pods are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Kubernetes {
    /// Name of this node; by default what `NODE_NAME` in the environment says, or else the host's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-check" = "node_name"))]
    pub node: Option<String>,
    /// A kubeconfig file, which runs no program (`exec`); by default the service account of the pod that Eaves runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-check" = "absolute_path"))]
    pub kubeconfig: Option<PathBuf>,
}

impl Default for Lookup {
    fn default() -> Self {
        Self {
            wait: Period(lookup::Options::default().wait),
            geo: Geo::default(),
            containers: Vec::new(),
            kubernetes: None,
        }
    }
}

impl Config {
    /// What is looked up, and how long is waited.
    #[must_use]
    pub fn lookup(&self) -> lookup::Options {
        let Lookup {
            wait,
            geo,
            containers,
            kubernetes,
        } = &self.lookup;
        let pods = kubernetes.as_ref().map(|kubernetes| PodsOptions {
            node: kubernetes.node.clone().unwrap_or_else(node),
            kubeconfig: kubernetes.kubeconfig.clone(),
        });
        lookup::Options {
            wait: wait.0,
            others: Others {
                runtimes: containers.clone(),
                pods,
            },
            geo: GeoFiles {
                city: geo.city.clone(),
                asn: geo.asn.clone(),
            },
        }
    }
}

/// The name by which the kubelet has most likely registered this node.
fn node() -> String {
    node_name().unwrap_or_else(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
        name.unwrap_or_default().trim().to_ascii_lowercase()
    })
}

/// What `NODE_NAME` in the environment calls this node; nothing where it is not set, or no name.
#[must_use]
pub fn node_name() -> Option<String> {
    named(std::env::var(NODE_VARIABLE).ok())
}

fn named(told: Option<String>) -> Option<String> {
    told.filter(|name| is_node_name(name))
}

/// Whether a node can be called so: a DNS subdomain (RFC 1123).
pub(super) fn is_node_name(name: &str) -> bool {
    let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|byte| letter(*byte))
            && bytes.last().is_some_and(|byte| letter(*byte))
            && bytes.iter().all(|byte| letter(*byte) || *byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// What the configuration asks for and this build cannot do.
pub(super) fn contradictions(lookup: &Lookup, found: &mut Vec<(Vec<String>, String)>) {
    if lookup.kubernetes.is_some() && !cfg!(feature = "kubernetes") {
        found.push((
            ["lookup", "kubernetes"].map(str::to_owned).to_vec(),
            "is not in this build: it was made without the feature `kubernetes`".to_owned(),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[track_caller]
    fn check(told: &str, expected: bool) {
        let expected = expected.then(|| told.to_owned());
        assert_eq!(named(Some(told.to_owned())), expected, "{told:?}");
    }

    #[test]
    fn a_node_is_called_by_a_name_of_dns() {
        for name in [
            "node-1",
            "ip-10-0-0-1.eu-west-1.compute.internal",
            "7",
            "a.b",
        ] {
            check(name, true);
        }
        for no_name in [
            "", "Node", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "a\n", "ä",
        ] {
            check(no_name, false);
        }
        check(&"a".repeat(253), true);
        check(&"a".repeat(254), false);
        assert_eq!(named(None), None);
    }

    /// What the DaemonSet is told, out of the manifest that is shipped.
    #[cfg(feature = "kubernetes")]
    #[test]
    fn the_manifest_asks_for_the_pods_of_this_node() {
        let manifest = include_str!("../../../xtask/dist/kubernetes/eaves.yaml");
        let (_, rest) = manifest.split_once("  eaves.yaml: |\n").unwrap();
        let lines = rest.lines().map_while(|line| line.strip_prefix("    "));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        let config = crate::config::parse(&text).unwrap();
        let pods = config.lookup().others.pods.unwrap();
        assert_eq!((pods.node, pods.kubeconfig), (super::node(), None));
        assert_eq!(config.api.unwrap().listen, "tcp://127.0.0.1:9180");
    }
}
