#!/bin/sh
# Runs in the guest: a server, a client, and eaves hearing them, once for each mode given; mode
# kernel-log is auto by the object whose programs log, which this agent does not read.
# Leaves MODE.jsonl (events) and MODE.err (what eaves said) in /out; xtask judges them.
set -u

mkdir -p /www/cgi-bin
printf 'a page that is longer than its name\n' >/www/page.txt
cat >/www/cgi-bin/hello <<'CGI'
#!/bin/sh
printf 'Content-Type: application/json\r\n\r\n{"heard":true}'
CGI
chmod 755 /www/cgi-bin/hello
httpd -f -p 127.0.0.1:8080 -h /www &

/eaves --version || exit 1
/eaves doctor --json >/out/doctor.json 2>/out/doctor.err
/eaves doctor

failed=0
for mode in "$@"; do
    case $mode in
    kernel-log) set -- --mode auto --ebpf-object /kernel-log.o ;;
    *) set -- --mode "$mode" ;;
    esac
    /eaves watch --json "$@" >"/out/$mode.jsonl" 2>"/out/$mode.err" &
    agent=$!
    for _ in $(seq 300); do
        grep -q hearing "/out/$mode.err" && break
        kill -0 "$agent" 2>/dev/null || break
        sleep 0.1
    done
    wget -q -O - "http://127.0.0.1:8080/cgi-bin/hello?mode=$mode"
    echo
    wget -q -O - http://127.0.0.1:8080/page.txt
    wget -q -O - http://127.0.0.1:8080/nothing-here
    # Until the last answer is reported, or it is clear that it will not be.
    for _ in $(seq 100); do
        grep -q '"path":"/nothing-here"' "/out/$mode.jsonl" && break
        sleep 0.1
    done
    kill -TERM "$agent"
    wait "$agent" || { echo "eaves watch --mode $mode ended with $?"; failed=1; }
    cat "/out/$mode.err"
done
exit $failed
