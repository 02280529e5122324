//! The image for containers: an OCI layout in a tar archive, made by nothing but tar and gzip.
//!
//! In: the binary, and what it is linked with as Debian has it on this machine. Out: one archive of two
//! layers (image-spec 1.1), which skopeo, podman and containerd read:
//!
//! ```text
//! oci-layout   index.json   blobs/sha256/HASH
//!     layer 1  C library, loader, certificates, and the records of these packages that scanners read
//!     layer 2  the agent, its configuration, what is linked into it
//! ```
//!
//! There is no shell in it, and no user but root.

mod base;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::files::{Entry, FOLDERS};
use super::{Job, VERSION, place, settle};
use crate::command::{output, run};

pub(super) use base::PACKAGES;

/// What the image is called where it is loaded: of no registry, since none is ours.
pub(super) const REFERENCE: &str = concat!("localhost/eaves:", env!("CARGO_PKG_VERSION"));

/// Installed files that are in the image too.
const FILES: &[&str] = &["usr/bin/eaves", "etc/eaves/eaves.yaml"];

/// Where the image says what is in it.
const SBOM: &str = "usr/share/eaves/sbom.cdx.json";

/// Where state lies, below `/`; what runs the image mounts something there.
const STATE: &str = "var/lib/eaves";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Name of the archive.
pub(super) fn name() -> String {
    format!("eaves-{VERSION}-x86_64.oci.tar")
}

/// A layer: what is stored, and the hash of what it is once it is unpacked.
struct Layer {
    descriptor: Value,
    diff_id: String,
    what: &'static str,
}

/// Makes the archive `to`, by way of `work`.
///
/// # Errors
/// If a library is not as Debian has it, a file cannot be written or a tool fails.
pub(super) fn archive(job: &Job<'_>, files: &[Entry], work: &Path, to: &Path) -> Result<()> {
    let layout = Layout {
        blobs: work.join("layout/blobs/sha256"),
        dated: job.dated,
    };
    fs::create_dir_all(&layout.blobs)?;
    let base = work.join("base");
    let packages = base::lay_out(job, &base)?;
    let agent = work.join("agent");
    lay_out(files, &packages, &agent)?;
    let layers = [
        layout.layer(&base, "C library, loader and certificates of Debian")?,
        layout.layer(&agent, "eaves")?,
    ];
    let date = date(job.dated)?;
    let config = layout.json(CONFIG, &config(&layers, &date))?;
    let stored: Vec<_> = layers.iter().map(|layer| &layer.descriptor).collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": stored,
        "annotations": labels(&date),
    });
    let mut manifest = layout.json(MANIFEST, &manifest)?;
    put(
        &mut manifest,
        "platform",
        json!({"architecture": "amd64", "os": "linux"}),
    );
    let named = json!({
        "org.opencontainers.image.ref.name": REFERENCE,
        "io.containerd.image.name": REFERENCE,
    });
    put(&mut manifest, "annotations", named);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    });
    let top = work.join("layout");
    place(&top.join("index.json"), index.to_string().as_bytes(), 0o644)?;
    let version = json!({"imageLayoutVersion": "1.0.0"}).to_string();
    place(&top.join("oci-layout"), version.as_bytes(), 0o644)?;
    settle(&top, job.dated)?;
    tar(&top, job.dated, to)
}

/// Places what of `files` is in the image, and what the image is made of.
fn lay_out(files: &[Entry], packages: &[base::Installed], tree: &Path) -> Result<()> {
    let is_ours = |file: &&Entry| {
        let installed = file.installed.as_deref();
        installed.is_some_and(|path| FILES.contains(&path))
    };
    for file in files.iter().filter(is_ours) {
        let path = file.installed.as_deref().unwrap_or_default();
        place(&tree.join(path), &file.bytes, file.mode)?;
    }
    let sbom = files
        .iter()
        .find(|file| file.installed.as_deref() == Some(SBOM));
    let sbom = sbom.context("no list of what is linked in")?;
    let sbom = with_packages(&sbom.bytes, packages)?;
    place(&tree.join(SBOM), sbom.as_bytes(), 0o644)?;
    let license = files
        .iter()
        .find(|file| file.loose.as_deref() == Some("LICENSE"));
    let license = license.context("no licence")?;
    place(
        &tree.join("usr/share/doc/eaves/LICENSE"),
        &license.bytes,
        0o644,
    )?;
    for folder in FOLDERS.iter().chain([&STATE]) {
        fs::create_dir_all(tree.join(folder))?;
    }
    Ok(())
}

/// The list of what is linked in, with Debian's packages.
fn with_packages(sbom: &[u8], packages: &[base::Installed]) -> Result<String> {
    let mut sbom: Value = serde_json::from_slice(sbom)?;
    let components = sbom.get_mut("components").and_then(Value::as_array_mut);
    let components = components.context("the list of what is linked in has no components")?;
    for base::Installed { name, version } in packages {
        let escaped = version.replace('+', "%2B").replace(':', "%3A");
        let url = format!("pkg:deb/debian/{name}@{escaped}?arch=amd64");
        components.push(json!({
            "type": "library", "bom-ref": url, "purl": url, "name": name, "version": version,
        }));
    }
    Ok(serde_json::to_string_pretty(&sbom)? + "\n")
}

/// Where blobs are stored by what they are.
struct Layout {
    blobs: PathBuf,
    dated: u64,
}

impl Layout {
    fn layer(&self, tree: &Path, what: &'static str) -> Result<Layer> {
        settle(tree, self.dated)?;
        let plain = self.blobs.join("layer");
        tar(tree, self.dated, &plain)?;
        let diff_id = sha256(&plain)?;
        run(Command::new("gzip").args(["-6n", "--"]).arg(&plain))?;
        let descriptor = self.keep(&self.blobs.join("layer.gz"), LAYER)?;
        Ok(Layer {
            descriptor,
            diff_id: format!("sha256:{diff_id}"),
            what,
        })
    }

    fn json(&self, media_type: &str, value: &Value) -> Result<Value> {
        let at = self.blobs.join("json");
        place(&at, value.to_string().as_bytes(), 0o644)?;
        self.keep(&at, media_type)
    }

    /// Renames a file to its hash; its descriptor.
    fn keep(&self, at: &Path, media_type: &str) -> Result<Value> {
        let digest = sha256(at)?;
        let size = fs::metadata(at)?.len();
        fs::rename(at, self.blobs.join(&digest))?;
        Ok(json!({
            "mediaType": media_type,
            "digest": format!("sha256:{digest}"),
            "size": size,
        }))
    }
}

fn config(layers: &[Layer], date: &str) -> Value {
    let ids: Vec<_> = layers.iter().map(|layer| &layer.diff_id).collect();
    let history = layers.iter().map(
        |layer| json!({"created": date, "created_by": "cargo xtask dist", "comment": layer.what}),
    );
    json!({
        "created": date,
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": "0:0",
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": ["/usr/bin/eaves"],
            "Cmd": ["run"],
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
            "Labels": labels(date),
        },
        "rootfs": {"type": "layers", "diff_ids": ids},
        "history": history.collect::<Vec<_>>(),
    })
}

/// What everybody's tools ask an image (image-spec, annotations.md).
fn labels(date: &str) -> Value {
    json!({
        "org.opencontainers.image.title": "eaves",
        "org.opencontainers.image.description": "Hears every HTTP API call on a host, by eBPF",
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.created": date,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.source": "https://github.com/eaves-agent/eaves",
        "org.opencontainers.image.url": "https://github.com/eaves-agent/eaves",
        "org.opencontainers.image.vendor": "The authors of Eaves",
    })
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// Seconds since 1970 as RFC 3339 has them.
fn date(seconds: u64) -> Result<String> {
    let mut date = Command::new("date");
    date.args([
        "--utc",
        "--date",
        &format!("@{seconds}"),
        "+%Y-%m-%dT%H:%M:%SZ",
    ]);
    Ok(output(&mut date)?.trim().to_owned())
}

fn sha256(file: &Path) -> Result<String> {
    let said = output(Command::new("sha256sum").arg("--").arg(file))?;
    let hash = said.split(' ').next().filter(|hash| hash.len() == 64);
    Ok(hash.context("sha256sum says no hash")?.to_owned())
}

/// What is in a folder, by its names below it.
fn tar(tree: &Path, dated: u64, to: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(tree)? {
        names.push(entry?.file_name());
    }
    names.sort();
    let mut tar = Command::new("tar");
    tar.arg("--directory")
        .arg(tree)
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--format=gnu", &format!("--mtime=@{dated}")])
        .arg("--create")
        .arg("--file")
        .arg(to)
        .arg("--")
        .args(names);
    run(&mut tar)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::base::Installed;
    use super::with_packages;

    #[test]
    fn packages_of_debian_are_listed_beside_crates() {
        let libc = Installed {
            name: "libc6".to_owned(),
            version: "1:2.36-9+deb12u14".to_owned(),
        };
        let sbom = json!({"components": [{"name": "aya"}]}).to_string();
        let sbom = with_packages(sbom.as_bytes(), &[libc]).unwrap();
        let sbom: Value = serde_json::from_str(&sbom).unwrap();
        assert_eq!(
            sbom["components"][1]["purl"],
            "pkg:deb/debian/libc6@1%3A2.36-9%2Bdeb12u14?arch=amd64"
        );
        assert!(with_packages(b"{}", &[]).is_err());
    }
}
