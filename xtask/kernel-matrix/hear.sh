#!/bin/sh
# Runs in the guest: a server, a client, and eaves hearing them, once for each mode given; mode
# kernel-log is auto by the object whose programs log, which this agent does not read; mode run is auto
# as a service, with a journal and sinks, by a user of its own with the capabilities of the package's unit. Then the kernel tests of every call and of first bytes of TLS.
# Leaves MODE.jsonl (events), MODE.err (what eaves said), run.threads (their status), run.doctor, run.other, run.far and
# run.beyond (what those sinks wrote, and where one is led that must not be), calls.out and calls.err (what the
# test said) in /out; xtask judges them.
set -u

# An emulated processor is slow: what is said of an exchange must not hang on that.
export EAVES_LIMITS__CPU=64

mkdir -p /www/cgi-bin
printf 'a page that is longer than its name\n' >/www/page.txt
cat >/www/cgi-bin/hello <<'CGI'
#!/bin/sh
printf 'Content-Type: application/json\r\n\r\n{"heard":true}'
CGI
chmod 755 /www/cgi-bin/hello
httpd -f -p 127.0.0.1:8080 -h /www &

mkdir -p /run/logs /run/beyond /run/state
chown 990:990 /run/logs /run/beyond /run/state
ln -s /run/logs /run/link
cat >/run/eaves.yaml <<'YAML'
journal: { dir: /run/state/journal, min_free: 1MiB }
api: { listen: 'unix:/run/state/eaves.sock' }
sinks:
  out: { stdout: {}, batch: { delay: 100ms } }
  far: { syslog: { address: 'tcp://localhost:5140' }, batch: { delay: 100ms } }
  other: { file: { path: /run/link/other.jsonl }, batch: { delay: 100ms } }
YAML
# What it is sent stays unanswered, and its standard input open.
sleep 86400 | nc -l -p 5140 >/out/run.far &

/eaves --version || exit 1
/eaves doctor

# Runs a program as the unit does, with CAPABILITIES as setpriv has them.
as_unit() {
    exec /setpriv --reuid 990 --regid 990 --clear-groups --bounding-set "-all,$CAPABILITIES" \
        --inh-caps "-all,$CAPABILITIES" --ambient-caps "-all,$CAPABILITIES" --no-new-privs "$@"
}
(as_unit /eaves doctor --json) >/out/run.doctor

# Has a file that is written opened anew, in a folder that it was not in at the start.
lead() {
    for _ in $(seq 100); do
        grep -q '"/nothing-here"' /run/logs/other.jsonl && break
        sleep 0.1
    done
    cat /proc/"$agent"/task/*/status >/out/run.threads
    cp /run/logs/other.jsonl /out/run.other
    rm /run/link
    ln -s /run/beyond /run/link
    kill -USR1 "$agent"
}

failed=0
for mode in "$@"; do
    case $mode in
    kernel-log) set -- /eaves watch --json --mode auto --ebpf-object /kernel-log.o ;;
    run) set -- as_unit /eaves run --config /run/eaves.yaml ;;
    *) set -- /eaves watch --json --mode "$mode" ;;
    esac
    "$@" >"/out/$mode.jsonl" 2>"/out/$mode.err" &
    agent=$!
    for _ in $(seq 1200); do
        grep -q hearing "/out/$mode.err" && break
        kill -0 "$agent" 2>/dev/null || break
        sleep 0.1
    done
    grep -q hearing "/out/$mode.err" || echo "eaves in mode $mode did not hear within two minutes"
    for round in 1 2 3; do
        [ "$mode" = run ] && [ "$round" = 3 ] && lead
        wget -q -O - "http://127.0.0.1:8080/cgi-bin/hello?round=$round"
        wget -q -O - "http://127.0.0.1:8080/page.txt?round=$round"
        wget -q -O - "http://127.0.0.1:8080/nothing-here?round=$round"
    done
    # Until the last answer is reported, or it is clear that it will not be.
    for _ in $(seq 100); do
        [ "$(grep -c '"path":"/nothing-here"' "/out/$mode.jsonl")" -ge 3 ] && break
        sleep 0.1
    done
    kill -TERM "$agent"
    wait "$agent" || { echo "eaves in mode $mode ended with $?"; failed=1; }
    cat "/out/$mode.err"
done
[ ! -e /run/beyond/other.jsonl ] || cp /run/beyond/other.jsonl /out/run.beyond
# Every call, one by one, under both taps; what is said there of each is judged outside too.
EAVES_BIN=/eaves /kernel-test plaintext:: >/out/calls.out 2>/out/calls.err
cat /out/calls.out /out/calls.err
exit $failed
