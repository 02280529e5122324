//! What is linked into the binary, as a CycloneDX 1.5 document.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Job, VERSION};
use crate::command::output;
use crate::project::cargo;

/// Packages whose dependencies are shipped: the agent, and the kernel programs inside it.
const ROOTS: &[&str] = &["eaves", "eaves-ebpf"];

/// The document, with a line end behind it.
///
/// # Errors
/// If Cargo cannot tell what depends on what.
pub(super) fn document(job: &Job<'_>) -> Result<String> {
    let features = job.parts.features();
    let mut metadata = Command::new(cargo());
    metadata
        .current_dir(job.project.root.join("agent"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--features", &features])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let metadata: Value = serde_json::from_str(&output(&mut metadata)?)?;
    let mut date = Command::new("date");
    date.args(["--utc", "--date", &format!("@{}", job.dated)]);
    let date = output(date.arg("+%Y-%m-%dT%H:%M:%SZ"))?;
    let document = of(&metadata, date.trim()).context("Cargo's metadata are not as expected")?;
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The document by what `cargo metadata` said; nothing if that is not as it should be.
fn of(metadata: &Value, date: &str) -> Option<Value> {
    let mut packages = BTreeMap::new();
    for package in metadata.get("packages")?.as_array()? {
        packages.insert(package.get("id")?.as_str()?, package);
    }
    let mut needs = BTreeMap::new();
    for node in metadata.get("resolve")?.get("nodes")?.as_array()? {
        needs.insert(node.get("id")?.as_str()?, linked(node)?);
    }
    let named = |id: &str| packages.get(id)?.get("name")?.as_str();
    let mut waiting: Vec<&str> = packages
        .keys()
        .copied()
        .filter(|id| named(id).is_some_and(|name| ROOTS.contains(&name)))
        .collect();
    let mut shipped = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if shipped.insert(id) {
            waiting.extend(needs.get(id)?);
        }
    }
    let (mut components, mut edges) = (Vec::new(), Vec::new());
    for id in shipped {
        let package = *packages.get(id)?;
        let mut on = Vec::new();
        for need in needs.get(id)? {
            on.push(reference(packages.get(need)?)?);
        }
        on.sort();
        edges.push(json!({"ref": reference(package)?, "dependsOn": on}));
        if package.get("name")?.as_str()? != "eaves" {
            components.push(component(package)?);
        }
    }
    let of = |value: &Value, name: &str| value.get(name).map(Value::to_string);
    components.sort_by_key(|one| of(one, "bom-ref"));
    edges.sort_by_key(|one| of(one, "ref"));
    let itself = format!("pkg:cargo/eaves@{VERSION}");
    Some(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": date,
            "component": {
                "type": "application", "bom-ref": itself, "purl": itself,
                "name": "eaves", "version": VERSION,
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": components,
        "dependencies": edges,
    }))
}

/// What a package is linked with: not what only its tests or build script use.
fn linked(node: &Value) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    for dependency in node.get("deps")?.as_array()? {
        let kinds = dependency.get("dep_kinds")?.as_array()?;
        let is_linked = kinds
            .iter()
            .any(|kind| kind.get("kind").is_some_and(Value::is_null));
        if is_linked {
            found.push(dependency.get("pkg")?.as_str()?);
        }
    }
    Some(found)
}

fn component(package: &Value) -> Option<Value> {
    let reference = reference(package)?;
    let mut component = json!({
        "type": "library", "bom-ref": reference, "purl": reference,
        "name": package.get("name")?, "version": package.get("version")?,
    });
    if let Some(license) = package.get("license").and_then(Value::as_str) {
        // A slash is how it was written before SPDX's words were asked for.
        let expression = license.replace(" / ", " OR ").replace('/', " OR ");
        let all = component.as_object_mut()?;
        all.insert("licenses".to_owned(), json!([{"expression": expression}]));
    }
    Some(component)
}

/// The name of a package among all others: a package URL.
fn reference(package: &Value) -> Option<String> {
    let name = package.get("name")?.as_str()?;
    let version = package.get("version")?.as_str()?;
    Some(format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::of;

    fn package(id: &str, name: &str) -> Value {
        json!({"id": id, "name": name, "version": "1.0.0+x", "license": "MIT/Apache-2.0"})
    }

    #[test]
    fn what_only_tests_use_is_not_shipped() {
        let to = |id: &str, kind: Value| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [package("e", "eaves"), package("a", "aya"), package("b", "bits"),
                package("t", "tests")],
            "resolve": {"nodes": [
                {"id": "e", "deps": [to("a", Value::Null), to("t", json!("dev"))]},
                {"id": "a", "deps": [to("b", Value::Null)]},
                {"id": "b", "deps": []},
                {"id": "t", "deps": []},
            ]},
        });
        let document = of(&metadata, "2026-01-01T00:00:00Z").unwrap();
        let names: Vec<_> = document["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["aya", "bits"]);
        let first = &document["components"][0];
        assert_eq!(first["purl"], "pkg:cargo/aya@1.0.0%2Bx");
        assert_eq!(first["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(of(&json!({}), ""), None);
    }
}
