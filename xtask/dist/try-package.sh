#!/bin/sh
# Installs, upgrades, removes and purges the package in a small Debian of its own, as root:
#
#     sh try-package.sh PACKAGE ROOT
#
# ROOT is made anew from what this host has of Debian's essential packages, and deleted at the end.
# The package's scripts run in it by dpkg, as everywhere: first where there is no systemd, then with a
# stand-in that starts the unit as far as its ExecStartPre. The last line counts as libtest's does.
set -eu

package=$1
root=$2
systemctl=$(readlink -f "$(command -v systemctl)")
passed=0
failed=0
LC_ALL=C
DEBIAN_FRONTEND=noninteractive
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL DEBIAN_FRONTEND PATH
unset DPKG_ROOT DPKG_MAINTSCRIPT_PACKAGE

within() { chroot "$root" "$@"; }

# check WHAT COMMAND…: whether the command succeeds.
check() {
    what=$1
    shift
    if "$@" >"$root/tmp/check" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $what"
    else
        failed=$((failed + 1))
        echo "FAILED: $what"
        sed 's/^/    /' "$root/tmp/check" "$root/tmp/dpkg" "$root/tmp/calls" 2>/dev/null || true
    fi
}
not() { ! "$@"; }
there() { [ -e "$root/$1" ] || [ -L "$root/$1" ]; }
gone() { ! there "$1"; }
status() { [ "$(within dpkg-query -W -f '${db:Status-Status}' eaves 2>&1)" = "$1" ]; }
called() { grep -qx "$1" "$root/tmp/calls"; }
called_nothing_but() { ! grep -vqx "$1" "$root/tmp/calls"; }
said() { grep -q "$1" "$root/tmp/dpkg"; }
group() { grep -q '^eaves:' "$root/etc/group"; }

# How dpkg answers is kept in /tmp/dpkg, what it asked of systemd in /tmp/calls.
dpkg_in() {
    : >"$root/tmp/calls"
    chmod 666 "$root/tmp/calls"
    within dpkg --force-unsafe-io "$@" >"$root/tmp/dpkg" 2>&1
}

make_root() {
    rm -rf "$root"
    mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64" "$root/dev" \
        "$root/etc" "$root/run" "$root/tmp" "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" \
        "$root/var/log" "$root/var/tmp"
    for name in bin sbin lib lib64; do
        ln -s "usr/$name" "$root/$name"
    done
    # What every Debian has, and what the package and these need.
    names=$(dpkg-query -W -f '${Essential} ${Package}\n' | sed -n 's/^yes //p')
    names="$names passwd procps libc6 libgcc-s1"
    for name in $names; do
        dpkg-query -L "$name"
    done | grep -v -e '^/usr/share/' -e '^/etc' -e '^/var' -e '^/run' -e '^/\.$' | sort -u |
        while read -r path; do
            if [ -f "$path" ] || [ -L "$path" ]; then echo "$path"; fi
        done >"$root/tmp/list"
    # Libraries that these programs are linked with.
    echo "$systemctl" >>"$root/tmp/list"
    grep -e '/s\?bin/' "$root/tmp/list" | xargs ldd 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u >"$root/tmp/libraries"
    while read -r path; do
        echo "$path"
        readlink -f "$path"
    done <"$root/tmp/libraries" >>"$root/tmp/list"
    # By real folders: /bin is a link to /usr/bin here and there.
    sort -u "$root/tmp/list" | while read -r path; do
        folder=$(readlink -f "$(dirname "$path")")
        echo "$folder/$(basename "$path")"
    done | sort -u | sed 's,^/*,,' | tar -C / --no-recursion --create --files-from=- |
        tar -C "$root" --extract --keep-directory-symlink
    cp -a /usr/share/base-passwd/passwd.master "$root/etc/passwd"
    cp -a /usr/share/base-passwd/group.master "$root/etc/group"
    echo 'passwd: files
group: files' >"$root/etc/nsswitch.conf"
    cp -a /etc/login.defs "$root/etc/" 2>/dev/null || true
    mv "$root/$systemctl" "$root/usr/bin/systemctl.real"
    mknod -m 666 "$root/dev/null" c 1 3
    chmod 1777 "$root/tmp"
    for name in passwd procps libc6 libgcc-s1 init-system-helpers; do
        dpkg-query -s "$name"
        echo
        cp "/var/lib/dpkg/info/$name"*.list "$root/var/lib/dpkg/info/"
    done >"$root/var/lib/dpkg/status"
}

# systemd as it is asked by the scripts: which units are enabled the real systemctl says and does, as
# it does for an image; the rest is written down, and /tmp/active is there while the unit runs.
stand_in() {
    mkdir -p "$root/run/systemd/system"
    cat >"$root/usr/bin/systemctl" <<'S'
#!/bin/sh
call=
for word in "$@"; do
    case $word in --*) ;; *) call="$call $word" ;; esac
done
echo "${call# }" >>/tmp/calls
case ${call# } in
    preset\ * | is-enabled\ * | disable\ * | enable\ *) exec systemctl.real --root=/ "$@" ;;
    is-active\ *) [ -e /tmp/active ] ;;
    start\ * | restart\ *)
        rm -f /tmp/active
        pre=$(sed -n 's/^ExecStartPre=//p' /usr/lib/systemd/system/eaves.service)
        $pre && [ ! -e /tmp/fails ] && touch /tmp/active
        ;;
    stop\ *) rm -f /tmp/active ;;
    daemon-reload) ;;
    *)
        echo "not known here: $call" >&2
        exit 1
        ;;
esac
S
    chmod 755 "$root/usr/bin/systemctl"
}

# A newer package, with another default configuration.
newer() {
    dpkg-deb --raw-extract "$package" "$root/tmp/newer"
    sed -i 's/^Version: .*/&+newer/' "$root/tmp/newer/DEBIAN/control"
    echo '# a new default' >>"$root/tmp/newer/etc/eaves/eaves.yaml"
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$root/tmp/newer" "$root/tmp/newer.deb" >/dev/null
    rm -rf "$root/tmp/newer"
}

wants=etc/systemd/system/multi-user.target.wants/eaves.service
questions='preset .*\|is-enabled .*\|is-active .*\|daemon-reload'

without_systemd() {
    check 'where systemd does not run it is installed' dpkg_in -i /tmp/eaves.deb
    check '… with nothing to say' not said 'eaves:'
    check '… whole' status installed
    check '… enabled for when it runs' there "$wants"
    check '… without asking systemd anything' [ ! -s "$root/tmp/calls" ]
    check '… with its group' group
    check '… with files as they were packed' within dpkg --verify eaves
    check 'the configuration is right' within eaves config check
    for program in $(sed -n 's/^Exec[A-Za-z]*=\([^ ]*\).*/\1/p' "$root/usr/lib/systemd/system/eaves.service"); do
        check "the unit's $program is there" within test -x "$program"
    done
    check 'a second installation finds all there' dpkg_in -i /tmp/eaves.deb
    check 'purged' dpkg_in --purge eaves
    check '… with its configuration' gone etc/eaves
    check '… and its group' not group
    check '… and its link' gone "$wants"
}

life() {
    stand_in
    check 'it is installed' dpkg_in -i /tmp/eaves.deb
    check '… and started' there tmp/active
    check '… once systemd has read the unit' [ "$(sed '/^is-/d' "$root/tmp/calls" | tr '\n' ,)" = \
        'preset eaves.service,daemon-reload,start eaves.service,' ]

    mkdir -p "$root/var/lib/eaves/journal" "$root/var/log/eaves"
    echo kept >"$root/var/lib/eaves/journal/segment"
    echo 'limits: { cpu: 0.5 }' >"$root/etc/eaves/conf.d/50-site.yaml"
    echo '# mine' >>"$root/etc/eaves/eaves.yaml"
    check 'it is upgraded' dpkg_in --force-confdef --force-confold -i /tmp/newer.deb
    check '… restarted' called 'restart eaves.service'
    check '… and not stopped before' not called 'stop .*'
    check '… runs' there tmp/active
    check '… with the configuration as it was changed' grep -qx '# mine' "$root/etc/eaves/eaves.yaml"
    check '… with the state' grep -qx kept "$root/var/lib/eaves/journal/segment"

    within systemctl disable eaves.service 2>/dev/null
    rm "$root/tmp/active"
    check 'one that was disabled is upgraded' dpkg_in --force-confold -i /tmp/newer.deb
    check '… and stays so' gone "$wants"
    check '… and is not started' gone tmp/active
    within systemctl enable eaves.service 2>/dev/null
    check 'enabled again it is restarted' dpkg_in --force-confold -i /tmp/newer.deb
    check '… and runs' there tmp/active
}

wrong_configuration() {
    echo 'limits: { cpus: 1 }' >"$root/etc/eaves/conf.d/60-wrong.yaml"
    check 'with a wrong configuration it is upgraded' dpkg_in --force-confold -i /tmp/newer.deb
    check '… whole' status installed
    check '… and the one that runs is let be' called_nothing_but "$questions"
    check '… runs on' there tmp/active
    check '… which is said' said 'not started, since its configuration is wrong'
    check '… with the mistake and its place' said '60-wrong.yaml:1:'
    rm "$root/etc/eaves/conf.d/60-wrong.yaml"
}

removal() {
    check 'it is removed' dpkg_in --remove eaves
    check '… stopped' called 'stop eaves.service'
    check '… not running' gone tmp/active
    check '… without its files' gone usr/bin/eaves
    check '… but with the state' there var/lib/eaves/journal/segment
    check '… the configuration' there etc/eaves/eaves.yaml
    check '… and the group' group
    check 'it is installed again' dpkg_in --force-confold -i /tmp/newer.deb
    check '… and runs' there tmp/active
    rm "$root/etc/eaves/conf.d/50-site.yaml"
    check 'it is purged' dpkg_in --purge eaves
    check '… stopped' gone tmp/active
    for path in etc/eaves var/lib/eaves var/log/eaves "$wants"; do
        check "… without /$path" gone "$path"
    done
    check '… and without the group' not group
    check '… and dpkg has forgotten it' not status config-files
}

first_start() {
    mkdir -p "$root/etc/eaves/conf.d"
    echo 'api: { listen: "tcp://0.0.0.0:9180" }' >"$root/etc/eaves/conf.d/10-wrong.yaml"
    check 'over a wrong configuration it is installed' dpkg_in -i /tmp/eaves.deb
    check '… whole' status installed
    check '… enabled' there "$wants"
    check '… not started' called_nothing_but "$questions"
    check '… which is said, with the place' said '10-wrong.yaml:1:'
    rm "$root/etc/eaves/conf.d/10-wrong.yaml"
    dpkg_in --purge eaves
    touch "$root/tmp/fails"
    check 'where it does not start it is installed' dpkg_in -i /tmp/eaves.deb
    check '… whole' status installed
    check '… and that is said' said 'it did not start'
    rm "$root/tmp/fails"
    dpkg_in --purge eaves
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    check 'where policy forbids starts it is installed' dpkg_in -i /tmp/eaves.deb
    check '… and not started' called_nothing_but "$questions"
}

trap 'rm -rf "$root"' EXIT
make_root
cp "$package" "$root/tmp/eaves.deb"
newer
without_systemd
life
wrong_configuration
removal
first_start
if [ "$failed" -gt 0 ]; then
    echo "test result: FAILED. $passed passed; $failed failed; 0 ignored"
    exit 1
fi
echo "test result: ok. $passed passed; 0 failed; 0 ignored"
