#!/bin/sh
# Hears HTTPS with the unit's capabilities and no others, as root:
#
#     sh try-unit.sh BINARY UNIT
#
# The server is another user's, so that nothing of it is root's to read. The last line counts as
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

setpriv --bounding-set "-all,$capabilities" --inh-caps -all --no-new-privs \
    "$binary" watch --tap --json >heard 2>said &
agent=$!

tries=0
while ! grep -q '"path":"/serve.py"' heard && [ $tries -lt $patience ] && kill -0 $agent; do
    sleep 1
    tries=$((tries + 1))
    curl -sk --max-time 2 -o /dev/null "https://127.0.0.1:$(cat port)/serve.py" || true
done
if grep '"path":"/serve.py"' heard | grep -q '"scheme":"https"'; then
    echo "ok: with the capabilities of the unit, HTTPS of another user's server is heard"
    echo "test result: ok. 1 passed; 0 failed; 0 ignored"
else
    echo "FAILED: with $capabilities no HTTPS of another user's server is heard in $patience s"
    cat said heard
    echo "test result: FAILED. 0 passed; 1 failed; 0 ignored"
    exit 1
fi
