//! Watches the pods of this node, by the API server's own rules: first a list, then what changes; a
//! watch that breaks is taken up where it was, by the last version or bookmark; one that is too old
//! (410 Gone) begins with a list again; failures are tried again, more slowly each time.
//!
//! Asked for is metadata alone: no spec, no environment, no secret. A role with `list` and `watch` on
//! `pods` does.

use std::cell::RefCell;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::api::PartialObjectMeta;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Config};

use super::pods::{Metadata, Pods, PodsOptions};
use super::process::Mask;

/// How long is waited before it is tried again to find out where the API server is.
const CONFIG_EVERY: Duration = Duration::from_secs(30);

/// Where the kubelet puts what a pod's own account needs.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What the kubelet writes into a static pod.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";

/// Keeps `pods` as the API server has them, until it is dropped.
pub(super) async fn watch(options: PodsOptions, pods: Rc<RefCell<Pods>>, mask: Arc<dyn Mask>) {
    let client = loop {
        match client(&options).await {
            Ok(client) => break client,
            Err(error) => {
                let cause = crate::telemetry::with_causes(&*error);
                tracing::warn!(cause, "pods go without names: no way to the API server");
            }
        }
        tokio::time::sleep(CONFIG_EVERY).await;
    };
    follow(client, &options.node, &pods, &*mask).await;
}

/// The files by which it is known where the API server is, and who asks: they are read again as they change.
pub(super) fn files(options: &PodsOptions) -> Vec<PathBuf> {
    let Some(path) = &options.kubeconfig else {
        return vec![SERVICE_ACCOUNT.into()];
    };
    let mut files = vec![path.clone()];
    // One that cannot be read now is read later: what it names then is found beside it alone.
    if let Ok(kubeconfig) = Kubeconfig::read_from(path) {
        let clusters = kubeconfig.clusters.into_iter();
        files.extend(clusters.filter_map(|one| Some(one.cluster?.certificate_authority?.into())));
        for user in kubeconfig
            .auth_infos
            .into_iter()
            .filter_map(|one| one.auth_info)
        {
            let named = [user.client_certificate, user.client_key, user.token_file];
            files.extend(named.into_iter().flatten().map(PathBuf::from));
        }
    }
    files
}

async fn client(options: &PodsOptions) -> Result<Client, Box<dyn std::error::Error>> {
    let config = match &options.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => Config::incluster()?,
    };
    Ok(Client::try_from(config)?)
}

async fn follow(client: Client, node: &str, pods: &RefCell<Pods>, mask: &dyn Mask) {
    let api: Api<PartialObjectMeta<ApiPod>> = Api::all(client);
    let wanted = watcher::Config::default().fields(&format!("spec.nodeName={node}"));
    let events = kube::runtime::watcher(api, wanted).default_backoff();
    let mut events = pin!(events);
    let mut listed = Pods::default();
    let mut well = true;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if !well {
                    tracing::info!("the API server tells of pods again");
                }
                well = true;
                take(event, &mut listed, pods, mask);
            }
            Err(error) => {
                if well {
                    let cause = crate::telemetry::with_causes(&error);
                    tracing::warn!(cause, "the API server does not tell of pods; tried again");
                }
                well = false;
            }
        }
    }
}

/// A list takes the place of what was known when it is whole.
fn take(
    event: Event<PartialObjectMeta<ApiPod>>,
    listed: &mut Pods,
    pods: &RefCell<Pods>,
    mask: &dyn Mask,
) {
    match event {
        Event::Init => *listed = Pods::default(),
        Event::InitApply(pod) => listed.put(metadata(pod), mask),
        Event::InitDone => *pods.borrow_mut() = std::mem::take(listed),
        Event::Apply(pod) => pods.borrow_mut().put(metadata(pod), mask),
        Event::Delete(pod) => {
            let uid = pod.metadata.uid.unwrap_or_default();
            pods.borrow_mut().remove(&uid);
        }
    }
}

fn metadata(pod: PartialObjectMeta<ApiPod>) -> Metadata {
    let metadata = pod.metadata;
    let owners = metadata.owner_references.unwrap_or_default();
    let mut controllers = owners
        .into_iter()
        .filter(|owner| owner.controller == Some(true));
    let hash = metadata
        .annotations
        .and_then(|mut all| all.remove(CONFIG_HASH));
    Metadata {
        uid: metadata.uid.unwrap_or_default(),
        namespace: metadata.namespace,
        name: metadata.name,
        labels: metadata.labels.unwrap_or_default(),
        config_hash: hash,
        controller: controllers.next().map(|owner| (owner.kind, owner.name)),
    }
}

#[cfg(test)]
mod tests;
