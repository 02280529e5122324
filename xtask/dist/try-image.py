"""Looks at the image by others' tools, and runs it as the DaemonSet has it, as root:

    python try-image.py ARCHIVE MANIFEST FOLDER

FOLDER is made anew and deleted at the end. skopeo reads and copies the archive, umoci unpacks it, and runc
starts it with the capabilities, mounts, namespaces and probes that the manifest names, behind the seccomp
profile that runtimes give by default. The last line counts as libtest's does.
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from facts import check, count

ARCHIVE, MANIFEST, FOLDER = sys.argv[1], sys.argv[2], Path(sys.argv[3])

# What the container is called by runc, and the node by the manifest's variable.
CONTAINER = f"eaves-trial-{os.getpid()}"
NODE = "node-7.example.internal"

# Seconds: on a busy host it takes a while until all TLS libraries are looked into.
PATIENCE = 60

# What containerd, as Docker, shows to no container, or not for writing.
MASKED = ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats"]
MASKED += ["/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

# That profile, as the package that skopeo brings has it.
SECCOMP = "/usr/share/containers/seccomp.json"

SERVER = """
import http.server, ssl, sys
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
if sys.argv[1:]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("certificate.pem", "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"""

started = []


def ran(*command):
    """What a command prints; what it complains of is raised."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


def read_by_skopeo():
    told = json.loads(ran("skopeo", "inspect", f"oci-archive:{ARCHIVE}"))
    image = json.loads(ran("skopeo", "inspect", "--config", f"oci-archive:{ARCHIVE}"))
    facts = {
        "machine": (told["Architecture"], told["Os"]) == ("amd64", "linux"),
        "version": told["Labels"]["org.opencontainers.image.version"] in ARCHIVE,
        "licence": told["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0",
        "two layers": len(told["Layers"]) == len(image["rootfs"]["diff_ids"]) == 2,
        "what it starts": image["config"]["Entrypoint"] + image["config"]["Cmd"] == ["/usr/bin/eaves", "run"],
    }
    for name, holds in facts.items():
        check(f"skopeo tells of the image: {name}", None if holds else json.dumps([told, image]))
    check("skopeo copies it, and finds each hash right", copied(ARCHIVE, "layout"))


def copied(archive, layout):
    try:
        ran("skopeo", "copy", "--insecure-policy", f"oci-archive:{archive}", f"oci:{FOLDER}/{layout}:trial")
    except RuntimeError as error:
        return str(error)
    return None


def damaged():
    """An archive in which one byte of the agent's layer is another."""
    data = bytearray(Path(ARCHIVE).read_bytes())
    data[len(data) // 2] ^= 1
    other = FOLDER / "damaged.tar"
    other.write_bytes(data)
    # Into a folder of its own: what is there already is not copied.
    told = copied(other, "damaged")
    other.unlink()
    check("a damaged one it refuses", None if told else "it takes it")


def unpacked():
    bundle = FOLDER / "bundle"
    ran("umoci", "unpack", "--image", f"{FOLDER}/layout:trial", str(bundle))
    root = bundle / "rootfs"
    wrong = []
    for path in root.rglob("*"):
        about = path.lstat()
        if about.st_uid or about.st_gid or about.st_mode & 0o6022 or path.is_symlink():
            wrong.append(f"{path} {about.st_mode:o} {about.st_uid}")
    check("umoci unpacks it, and all is root's", wrong)
    programs = [path.name for path in root.rglob("*") if path.is_file() and path.stat().st_mode & 0o111]
    wrong = None if sorted(programs) == ["eaves", "ld-linux-x86-64.so.2"] else programs
    check("… with the agent and the loader, and no other program", wrong)
    records = sorted(path.name for path in (root / "var/lib/dpkg/status.d").iterdir())
    lists = json.loads((root / "usr/share/eaves/sbom.cdx.json").read_text())
    names = {component["name"] for component in lists["components"]}
    wrong = None if set(records) <= names and "libc6" in records and "aya" in names else f"{records} {names}"
    check("… with records of Debian's packages, which its list has too", wrong)
    bundle_of = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    context = ssl.create_default_context(cadata=bundle_of)
    wrong = None if len(context.get_ca_certs()) > 100 else "they are few"
    check("… with the certificates of the web", wrong)
    return bundle


def seccomp(capabilities):
    """The default profile as runc is told it: what goes by capability is decided here, as runtimes do."""
    given = json.loads(Path(SECCOMP).read_text())
    calls = []
    for rule in given["syscalls"]:
        needs = rule.get("includes", {}).get("caps", [])
        without = rule.get("excludes", {}).get("caps", [])
        arches = rule.get("includes", {}).get("arches", ["amd64"])
        if not set(needs) <= set(capabilities) or set(without) & set(capabilities):
            continue
        if "amd64" not in arches or "amd64" in rule.get("excludes", {}).get("arches", []):
            continue
        kept = {key: rule[key] for key in ("names", "action", "args") if rule.get(key)}
        if "errnoRet" in rule:
            kept["errnoRet"] = rule["errnoRet"]
        calls.append(kept)
    return {
        "defaultAction": given["defaultAction"],
        "defaultErrnoRet": given.get("defaultErrnoRet", 1),
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": calls,
    }


def mounts(pod, container, configuration):
    """What the kubelet would have mounted; state and configuration lie in the trial's folder."""
    state = FOLDER / "state"
    state.mkdir()
    given = FOLDER / "config"
    given.mkdir()
    (given / "eaves.yaml").write_text(configuration)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    made = []
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        path = given if "configMap" in volume else volume["hostPath"]["path"]
        source = state if mount["name"] == "state" else path
        options = ["rbind", "ro" if mount.get("readOnly") else "rw"]
        made.append(
            {"destination": mount["mountPath"], "type": "bind", "source": str(source), "options": options}
        )
    return made


def told_to_runc(bundle, pod, configuration):
    """Makes umoci's bundle one of the DaemonSet's."""
    container = pod["containers"][0]
    rights = container["securityContext"]
    capabilities = [f"CAP_{name}" for name in rights["capabilities"]["add"]]
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    process = config["process"]
    process["terminal"] = False
    process["noNewPrivileges"] = not rights["allowPrivilegeEscalation"]
    process["capabilities"] = {name: capabilities for name in ("bounding", "effective", "permitted")}
    process["user"] = {"uid": rights["runAsUser"], "gid": rights["runAsGroup"]}
    for variable in container["env"]:
        if variable["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName":
            process["env"].append(f"{variable['name']}={NODE}")
    config["root"]["readonly"] = rights["readOnlyRootFilesystem"]
    config["hostname"] = "pod"
    linux = config["linux"]
    shared = {"pid": pod["hostPID"], "network": pod["hostNetwork"], "user": True, "cgroup": True}
    linux["namespaces"] = [one for one in linux["namespaces"] if not shared.get(one["type"])]
    linux.pop("uidMappings", None)
    linux.pop("gidMappings", None)
    linux["maskedPaths"], linux["readonlyPaths"] = MASKED, READ_ONLY
    linux["seccomp"] = seccomp(capabilities)
    linux["cgroupsPath"] = f"/{CONTAINER}"
    ours = mounts(pod, container, configuration)
    places = {mount["destination"] for mount in ours}
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] not in places] + ours
    path.write_text(json.dumps(config))


def begin(command, name):
    """Starts a command whose output goes to a file of the trial's folder."""
    with open(FOLDER / name, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=FOLDER)
    started.append(process)
    return process


def answers(probe):
    """The status of what a probe asks; 0 where nobody answers."""
    get = probe["httpGet"]
    try:
        url = f"http://{get['host']}:{get['port']}{get['path']}"
        with urllib.request.urlopen(url, timeout=probe["timeoutSeconds"]) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def until(what, problem, agent):
    """Waits until nothing is wrong, the agent ends, or patience does."""
    end = time.monotonic() + PATIENCE
    while (found := problem()) and time.monotonic() < end and agent.poll() is None:
        time.sleep(0.5)
    if not check(what, found):
        print((FOLDER / "said").read_text(errors="replace"))


def servers():
    """A server of HTTP and one of HTTPS on this host, outside of the container; what asks them."""
    (FOLDER / "asked").mkdir()
    ran("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
        "-keyout", FOLDER / "key.pem", "-out", FOLDER / "certificate.pem")
    urls = []
    for scheme, arguments in (("http", []), ("https", ["tls"])):
        begin(["/usr/bin/python3", "-u", "-c", SERVER, *arguments], f"served-{scheme}")
        end = time.monotonic() + PATIENCE
        while not (port := (FOLDER / f"served-{scheme}").read_text().split("\n")[0]):
            if time.monotonic() > end:
                raise RuntimeError(f"no server of {scheme}")
            time.sleep(0.1)
        urls.append((scheme, f"{scheme}://127.0.0.1:{int(port)}/{CONTAINER}/{scheme}"))
    return urls


def heard(scheme, url):
    """What is wrong with what the agent wrote of a request that is made now."""
    ran("curl", "-sk", "--max-time", "2", "-o", "/dev/null", url)
    lines = ran("runc", "exec", CONTAINER, "/usr/bin/eaves", "query", "--since", "5m", "--json")
    events = [json.loads(line) for line in lines.splitlines() if f"/{CONTAINER}/{scheme}" in line]
    if not events:
        return f"nothing of {url} is in the journal"
    wrong = [event for event in events if event["host"]["name"] != NODE]
    return f"of host {wrong[0]['host']}" if wrong else None


def life(bundle):
    documents = list(yaml.safe_load_all(Path(MANIFEST).read_text(encoding="utf-8")))
    pod = next(one for one in documents if one["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    configuration = next(one for one in documents if one["kind"] == "ConfigMap")["data"]["eaves.yaml"]
    container = pod["containers"][0]
    live, ready = container["livenessProbe"], container["readinessProbe"]
    # Another port, since an agent of this host may have that one.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = yaml.safe_load(configuration)
    # Here is no API server, and the binary may be built without what asks it.
    settings.pop("lookup")
    host, named = settings["api"]["listen"].removeprefix("tcp://").split(":")
    for probe in (live, ready):
        get = probe["httpGet"]
        wrong = None if (get["host"], str(get["port"])) == (host, named) else f"{get} {host}:{named}"
        check(f"the probe of {get['path']} asks where the agent listens", wrong)
        get["port"] = port
    settings["api"]["listen"] = f"tcp://127.0.0.1:{port}"
    told_to_runc(bundle, pod, yaml.safe_dump(settings))
    agent = begin(["runc", "run", "--bundle", str(bundle), CONTAINER], "said")
    until("runc starts it, and it is alive", lambda: answers(live) != 200 and "no answer", agent)
    until("… and ready", lambda: answers(ready) != 200 and "no answer", agent)
    for scheme, url in servers():
        until(f"{scheme.upper()} of the host is heard, by the node's name",
              lambda: heard(scheme, url), agent)
    status = ran("runc", "exec", CONTAINER, "/usr/bin/eaves", "status", "--json")
    wrong = status if json.loads(status)["state"] == "failed" else None
    check("`eaves status` in the container tells how it does", wrong)
    ran("runc", "kill", CONTAINER, "TERM")
    try:
        code = agent.wait(timeout=pod["terminationGracePeriodSeconds"])
    except subprocess.TimeoutExpired:
        code = "nothing in time"
    check("told to end it ends well", None if code == 0 else f"it ended with {code}")
    kept = list((FOLDER / "state/journal").glob("*"))
    check("… and the journal outlives it", None if kept else "nothing is there")


def end():
    for process in started:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    subprocess.run(["runc", "delete", "--force", CONTAINER], capture_output=True, check=False)
    shutil.rmtree(FOLDER, ignore_errors=True)


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    try:
        read_by_skopeo()
        damaged()
        life(unpacked())
    except (RuntimeError, KeyError, OSError, subprocess.TimeoutExpired) as error:
        check("the trial goes to its end", repr(error))
    finally:
        end()
    return count()


if __name__ == "__main__":
    sys.exit(main())
