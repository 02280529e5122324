#!/bin/sh
# Hears HTTPS as the unit runs it: as a user of its own, with the unit's capabilities and no others. By root:
#
#     sh try-unit.sh BINARY UNIT
#
# The server is another user's, so that nothing of it is the agent's to read; nor is anything root's but the
# folders that are made for it. The last line counts as
# libtest's does.
set -eu

binary=$(readlink -f "$1")
unit=$2
# Seconds: on a busy host it takes a while until all TLS libraries are looked into.
patience=60

server=
agent=
folder=
end() {
    for process in $agent $server; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    [ -z "$folder" ] || rm -rf "$folder"
}
trap end EXIT

if ! "$binary" doctor >/dev/null 2>&1; then
    echo "skipped: the unit's capabilities: this host lets Eaves hear nothing"
    exit 0
fi

# CAP_BPF CAP_PERFMON … as setpriv has it: +bpf,+perfmon,…
capabilities=$(sed -n 's/^CapabilityBoundingSet=//p' "$unit" | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')

# Where the other user may go.
folder=$(mktemp -d)
chmod 755 "$folder"
cd "$folder"
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost \
    -keyout key.pem -out certificate.pem 2>/dev/null
cat >serve.py <<'S'
import http.server, ssl
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("certificate.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
S
chmod 644 key.pem serve.py certificate.pem
setpriv --reuid nobody --regid nogroup --clear-groups /usr/bin/python3 serve.py >port 2>served &
server=$!

# Whoever this is: the unit's user needs not be here.
user=daemon
mkdir -m 750 state logs run
chown "$user:$user" state logs run
cat >eaves.yaml <<C
journal: { dir: $folder/state/journal, min_free: 1MiB }
api: { listen: 'unix:$folder/run/eaves.sock' }
sinks: { heard: { file: { path: $folder/logs/heard } } }
C
# In place of the shell that it is called in.
as_unit() {
    exec setpriv --reuid "$user" --regid "$user" --clear-groups --bounding-set "-all,$capabilities" \
        --inh-caps "-all,$capabilities" --ambient-caps "-all,$capabilities" --no-new-privs "$@"
}
umask "$(sed -n 's/^UMask=//p' "$unit")"
grep -qx "AmbientCapabilities=$(sed -n 's/^CapabilityBoundingSet=//p' "$unit")" "$unit"
(as_unit "$binary" config check eaves.yaml) >checked
as_unit "$binary" run --config eaves.yaml >said 2>&1 &
agent=$!
heard=logs/heard

tries=0
while ! grep -qs '"path":"/serve.py"' $heard && [ $tries -lt $patience ] && kill -0 $agent; do
    sleep 1
    tries=$((tries + 1))
    curl -sk --max-time 2 -o /dev/null "https://127.0.0.1:$(cat port)/serve.py" || true
done
"$binary" status --listen "unix:$folder/run/eaves.sock" >status 2>&1 || true
if grep -s '"path":"/serve.py"' $heard | grep -q '"scheme":"https"'; then
    echo "ok: as the unit runs it, HTTPS of another user's server is heard"
    echo "test result: ok. 1 passed; 0 failed; 0 ignored"
else
    echo "FAILED: with $capabilities no HTTPS of another user's server is heard in $patience s"
    cat said status
    echo "test result: FAILED. 0 passed; 1 failed; 0 ignored"
    exit 1
fi
