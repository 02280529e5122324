"""Holds the manifest and the chart against Kubernetes' published schemas, and against each other:

    python try-kubernetes.py MANIFEST CHART HELM BINARY

CHART is a folder or an archive, HELM the shared library that helm-java makes of Helm's own code. The last
line counts as libtest's does.
"""

import copy
import ctypes
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

from facts import check, count

MANIFEST, CHART, HELM, BINARY = sys.argv[1:]

# What this is tried beside.
GIVEN = Path(__file__).parent
UNIT = GIVEN / "eaves.service"
DOCS = GIVEN / "../../docs/kubernetes.md"
VALUES = GIVEN / "chart/values.yaml"
SCHEMA = GIVEN / "chart/values.schema.json"

# The oldest that the chart takes, one between, the newest whose schemas there are.
VERSIONS = ["1.30", "1.34", kubernetes_validate.latest_version()]

# What Helm adds to every object.
OF_HELM = ("app.kubernetes.io/managed-by", "helm.sh/chart")

# Every value another than it is by default.
OTHER = {
    "image": {"repository": "registry.example:5000/team/eaves", "digest": "sha256:" + "a" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "config": {"limits": {"cpu": 0.5}, "detect": {"per_minute": 30}},
    "rules": {"mine.yaml": "rules:\n  - name: x\n", "others.yml": "rules: []\n"},
    "secret": "eaves-keys",
    "port": 19180,
    "stateDir": "/srv/eaves",
    "privileged": True,
    "serviceAccount": {"name": "other", "annotations": {"example.com/role": "x"}},
    "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    "priorityClassName": "",
    "terminationGracePeriodSeconds": 30,
    "maxUnavailable": 1,
    "nodeSelector": {"example.com/pool": "web"},
    "tolerations": [],
    "affinity": {"nodeAffinity": {}},
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"example.com/c": "d"},
}

# Values that are wrong, and a word of what is said of them.
WRONG = [
    ({"ports": 1}, "'ports'"),
    ({"port": 80}, "/port"),
    ({"port": "9180"}, "/port"),
    ({"image": {"tag": "a b"}}, "/image/tag"),
    ({"image": {"digest": "sha256:1"}}, "/image/digest"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"image": {"repository": ""}}, "/image/repository"),
    ({"config": {"api": {"listen": "tcp://0.0.0.0:1"}}}, "/config"),
    ({"config": "journal: {}"}, "/config"),
    ({"rules": {"../x.yaml": "a"}}, "../x.yaml"),
    ({"rules": {"x.yaml": {"a": 1}}}, "/rules/x.yaml"),
    ({"secret": "A_B"}, "/secret"),
    ({"stateDir": "eaves"}, "/stateDir"),
    ({"stateDir": "/"}, "/stateDir"),
    ({"stateDir": "/srv/../etc"}, "/stateDir"),
    ({"podLabels": {"app.kubernetes.io/name": "x"}}, "app.kubernetes.io/name"),
    ({"privileged": "no"}, "/privileged"),
    ({"serviceAccount": {"names": "x"}}, "/serviceAccount"),
    ({"resources": {"limit": {}}}, "/resources"),
    ({"maxUnavailable": "0%"}, "/maxUnavailable"),
    ({"nodeSelector": {"a": True}}, "/nodeSelector"),
    ({"tolerations": {"operator": "Exists"}}, "/tolerations"),
]


class Told(ctypes.Structure):
    """Result of helm-java 0.0.21, native/main.go."""

    _fields_ = [(name, ctypes.c_char_p) for name in ("out", "err", "std_out", "std_err")]


class Template(ctypes.Structure):
    """TemplateOptions of the same."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("version", ctypes.c_char_p),
        ("chart", ctypes.c_char_p),
        ("namespace", ctypes.c_char_p),
        ("kube_version", ctypes.c_char_p),
        ("dependency_update", ctypes.c_int),
        ("skip_crds", ctypes.c_int),
        ("values", ctypes.c_char_p),
        ("set_files", ctypes.c_char_p),
        ("values_files", ctypes.c_char_p),
        ("cert_file", ctypes.c_char_p),
        ("key_file", ctypes.c_char_p),
        ("ca_file", ctypes.c_char_p),
        ("insecure_skip_tls_verify", ctypes.c_int),
        ("plain_http", ctypes.c_int),
        ("keyring", ctypes.c_char_p),
        ("debug", ctypes.c_int),
        ("repository_config", ctypes.c_char_p),
    ]


class Lint(ctypes.Structure):
    """LintOptions of the same."""

    _fields_ = [("path", ctypes.c_char_p), ("strict", ctypes.c_int), ("quiet", ctypes.c_int)]


helm = ctypes.CDLL(HELM)
for function in (helm.Template, helm.Lint):
    function.restype = Told


def render(values=None, name="eaves", version="1.30"):
    """The objects that Helm makes of the chart; what it says where it makes none is raised."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        # As a file: what stands on Helm's command line is read in another way.
        json.dump(values or {}, file)
        file.flush()
        options = Template(
            name=name.encode(),
            chart=CHART.encode(),
            namespace=b"eaves",
            kube_version=version.encode(),
            values_files=file.name.encode(),
        )
        told = helm.Template(ctypes.byref(options))
    if told.err:
        raise ValueError(told.err.decode())
    return [document for document in yaml.safe_load_all(told.out.decode()) if document]


def mistakes(documents, version):
    """What the schemas of a version of Kubernetes refuse; fields that they do not know too."""
    found = []
    for document in documents:
        try:
            used = kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{document['kind']}: {'.'.join(map(str, error.path))}: {error.message}")
        else:
            if used != kubernetes_validate.utils.major_minor(version):
                found.append(f"there are schemas of {used} alone")
    return found


def plain(documents):
    """Objects by kind, without what only one of the two ways has."""
    objects = {}
    for document in copy.deepcopy(documents):
        if document["kind"] == "Namespace":
            continue  # Helm makes it, or finds it, before it looks at a chart.
        template = document.get("spec", {}).get("template", {})
        for metadata in (document["metadata"], template.get("metadata", {})):
            for label in OF_HELM:
                metadata.get("labels", {}).pop(label, None)
        annotations = template.get("metadata", {}).pop("annotations", {})
        annotations.pop("checksum/config", None)
        if annotations:
            template["metadata"]["annotations"] = annotations
        if document["kind"] == "ConfigMap":
            document["data"] = {key: yaml.safe_load(text) for key, text in document["data"].items()}
        objects[document["kind"]] = document
    return objects


def difference(one, other, path=""):
    """The first place where two trees differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key not in one or key not in other:
                return f"{path}.{key} is in one alone"
            if found := difference(one[key], other[key], f"{path}.{key}"):
                return found
        return None
    return None if one == other else f"{path}: {one!r} is not {other!r}"


def of(documents, kind):
    return next(document for document in documents if document["kind"] == kind)


def configuration(documents):
    return of(documents, "ConfigMap")["data"]["eaves.yaml"]


def refused(text):
    """What the agent says of a configuration; one that was built without Kubernetes is not asked for it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        for text in (text, yaml.safe_dump({**yaml.safe_load(text), "lookup": {}})):
            file.seek(0)
            file.truncate()
            file.write(text)
            file.flush()
            command = [BINARY, "config", "check", file.name]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            said = ran.stdout + ran.stderr
            if "made without the feature" not in said:
                break
    return said if ran.returncode else None


def schemas(manifest, default, other):
    for version in VERSIONS:
        check(f"Kubernetes {version} takes the manifest", mistakes(manifest, version))
        check("… what the chart makes", mistakes(default, version))
        check("… with all values set", mistakes(other, version))
    for name, path, value in [
        ("a field that is none", ["spec", "template", "spec", "hostPid"], True),
        ("a number that is text", ["spec", "template", "spec", "terminationGracePeriodSeconds"], "1s"),
    ]:
        wrong = copy.deepcopy(of(manifest, "DaemonSet"))
        place = wrong
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        told = all(mistakes([wrong], version) for version in VERSIONS)
        check(f"{name} is refused by all of them", None if told else "it is not")


def rendering(manifest, default, other):
    options = Lint(path=CHART.encode(), strict=1)
    told = helm.Lint(ctypes.byref(options))
    said = ((told.out or b"") + (told.err or b"")).decode()
    check("Helm has nothing to say of the chart but that it has no icon", lint(said))
    check("chart and manifest are the same objects", difference(plain(manifest), plain(default)))
    template = of(other, "DaemonSet")["spec"]["template"]
    spec, container = template["spec"], template["spec"]["containers"][0]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    paths = [item["path"] for item in volumes["config"]["configMap"]["items"]]
    facts = {
        "the image": container["image"] == "registry.example:5000/team/eaves@sha256:" + "a" * 64,
        "all rights": container["securityContext"].get("privileged") is True
        and "capabilities" not in container["securityContext"],
        "the port": container["livenessProbe"]["httpGet"]["port"] == 19180
        and yaml.safe_load(configuration(other))["api"] == {"listen": "tcp://127.0.0.1:19180"},
        "rules": paths == ["eaves.yaml", "rules.d/mine.yaml", "rules.d/others.yml"]
        and of(other, "ConfigMap")["data"]["rule-mine.yaml"] == OTHER["rules"]["mine.yaml"],
        "the secret": volumes["secret"]["secret"]["secretName"] == "eaves-keys",
        "the folder of state": volumes["state"]["hostPath"]["path"] == "/srv/eaves",
        "the account": spec["serviceAccountName"] == "other"
        and of(other, "ClusterRoleBinding")["subjects"][0]["name"] == "other",
        "no tolerations": "tolerations" not in spec,
        "the name": of(other, "DaemonSet")["metadata"]["name"] == "shop-eaves",
    }
    for name, holds in facts.items():
        check(f"what is set is made: {name}", None if holds else json.dumps(template))
    sums = {
        json.dumps(values): of(render(values), "DaemonSet")["spec"]["template"]["metadata"]["annotations"]
        for values in ({}, {"config": {"limits": {"cpu": 2}}}, {"rules": {"a.yaml": "x"}})
    }
    distinct = {annotations["checksum/config"] for annotations in sums.values()}
    check("another configuration is another pod", None if len(distinct) == 3 else str(sums))


def said_alike(manifest):
    """What stands in several places is the same in all."""
    unit = re.search("^CapabilityBoundingSet=(.*)$", UNIT.read_text(), re.MULTILINE)[1].split()
    container = of(manifest, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
    given = [f"CAP_{name}" for name in container["securityContext"]["capabilities"]["add"]]
    check("the DaemonSet has the capabilities of the unit", None if given == unit else f"{given} {unit}")
    docs = DOCS.read_text()
    unsaid = [name[4:] for name in unit if f"`{name[4:]}`" not in docs]
    check("… each with its reason in the manual", unsaid)
    values = yaml.safe_load(VALUES.read_text())
    unsaid = [name for name in values if not re.search(f"`{name}[`.]", docs)]
    check("the manual names each value", unsaid)
    known = set(json.loads(SCHEMA.read_text())["properties"]) - {"global"}
    check("… and the schema no other", sorted(known ^ set(values)))


def lint(said):
    lines = [line for line in said.splitlines() if line and "icon is recommended" not in line]
    return None if lines == ["Failed: false"] else said


def wrong_values():
    for values, word in WRONG:
        try:
            render(values)
            problem = "they are taken"
        except ValueError as error:
            said = str(error)
            problem = None if word in said and "schema" in said else said
        check(f"refused are {json.dumps(values)}", problem)


def old_cluster():
    try:
        render(version="1.29")
        problem = "it is made for one"
    except ValueError as error:
        problem = None if "1.30" in str(error) else str(error)
    check("an older cluster than the chart is for is refused", problem)


def main():
    manifest = list(yaml.safe_load_all(Path(MANIFEST).read_text(encoding="utf-8")))
    default = render()
    other = render(OTHER, name="shop")
    schemas(manifest, default, other)
    rendering(manifest, default, other)
    said_alike(manifest)
    check("the agent takes the manifest's configuration", refused(configuration(manifest)))
    check("… the chart's", refused(configuration(default)))
    told = refused(configuration(render({"config": {"limits": {"cpus": 1}}})))
    check("… and tells what is wrong in it", None if told and "cpus" in told else told or "nothing")
    wrong_values()
    old_cluster()
    return count()


if __name__ == "__main__":
    sys.exit(main())
