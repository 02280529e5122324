//! The pods of this node, as the API server tells of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::place::{Owner, Pod};
use super::process::Mask;
use super::runtime::kept;

/// Most pods that are known; a kubelet runs 110 by default.
const PODS_MAX: usize = 4096;

/// Where the API server is, and which pods are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodsOptions {
    /// Name of this node.
    pub node: String,
    /// A kubeconfig file; without one the pod's own service account is used.
    pub kubeconfig: Option<PathBuf>,
}

/// Pods by unique id.
#[derive(Debug, Default)]
pub(super) struct Pods {
    known: HashMap<String, Arc<Pod>>,
}

/// What is used of a pod's metadata.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata {
    pub(super) uid: String,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    /// What the kubelet names a static pod by: the pod in the API has another id.
    pub(super) config_hash: Option<String>,
    /// Kind and name of the one that controls it.
    pub(super) controller: Option<(String, String)>,
}

impl Pods {
    /// The pod of this id.
    pub(super) fn get(&self, uid: &str) -> Option<Arc<Pod>> {
        self.known.get(uid).cloned()
    }

    /// Knows a pod, from now on or anew.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(dead_code, reason = "only the watch fills it")
    )]
    pub(super) fn put(&mut self, metadata: Metadata, mask: &dyn Mask) {
        let has_room = self.known.len() < PODS_MAX || self.known.contains_key(&metadata.uid);
        if !has_room || metadata.uid.is_empty() {
            return;
        }
        let owner = metadata
            .controller
            .map(|(kind, name)| owner(kind, name, &metadata.labels));
        let pod = Arc::new(Pod {
            uid: metadata.uid.clone(),
            namespace: metadata.namespace,
            name: metadata.name,
            labels: kept(metadata.labels, mask),
            owner,
        });
        if let Some(hash) = metadata.config_hash {
            self.known.insert(hash, Arc::clone(&pod));
        }
        self.known.insert(metadata.uid, pod);
    }

    /// Knows a pod no longer.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(dead_code, reason = "only the watch fills it")
    )]
    pub(super) fn remove(&mut self, uid: &str) {
        self.known.retain(|_, pod| pod.uid != uid);
    }
}

/// Who makes the pod anew. A Deployment does so through a ReplicaSet, whose name is its own and the
/// hash that the pod bears as a label.
fn owner(kind: String, name: String, labels: &BTreeMap<String, String>) -> Owner {
    let hash = labels
        .get("pod-template-hash")
        .filter(|_| kind == "ReplicaSet");
    let deployment = hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
    match deployment {
        Some(deployment) => Owner {
            kind: "Deployment".to_owned(),
            name: deployment.to_owned(),
        },
        None => Owner { kind, name },
    }
}

#[cfg(feature = "kubernetes")]
pub(super) use super::kubernetes::{files, watch};

/// As [`watch`].
#[cfg(not(feature = "kubernetes"))]
pub(super) fn files(_: &PodsOptions) -> Vec<PathBuf> {
    Vec::new()
}

/// Without the feature nobody is asked; the configuration says so before it comes to this.
#[cfg(not(feature = "kubernetes"))]
pub(super) async fn watch(
    _: PodsOptions,
    _: std::rc::Rc<std::cell::RefCell<Pods>>,
    _: Arc<dyn Mask>,
) {
}

#[cfg(all(test, feature = "kubernetes"))]
mod tests {
    use super::{Mask, Metadata, PODS_MAX, Pods};

    struct Nothing;

    impl Mask for Nothing {
        fn command_line(&self, arguments: &[u8]) -> Vec<u8> {
            arguments.to_vec()
        }

        fn label(&self, _: &str, value: String) -> String {
            value
        }
    }

    #[test]
    fn a_full_table_still_learns_of_the_pods_it_knows() {
        let mut pods = Pods::default();
        let named = |uid: usize, name: &str| Metadata {
            uid: uid.to_string(),
            name: Some(name.to_owned()),
            ..Metadata::default()
        };
        (0..=PODS_MAX).for_each(|uid| pods.put(named(uid, "first"), &Nothing));
        pods.put(named(7, "renamed"), &Nothing);
        let name = |uid: usize| pods.get(&uid.to_string()).and_then(|pod| pod.name.clone());
        assert_eq!(name(7).as_deref(), Some("renamed"));
        assert_eq!(name(PODS_MAX), None);
    }
}
