# What trials of packages have in common, read by try-package.sh and try-rpm.sh: `root` is set. A small
# Debian is made below it of what this host has of Debian's essential packages, with a stand-in for systemd.
# How a package manager answers is kept in /tmp/told there, what was asked of systemd in /tmp/calls.

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
        sed 's/^/    /' "$root/tmp/check" "$root/tmp/told" "$root/tmp/calls" 2>/dev/null || true
    fi
}
not() { ! "$@"; }
there() { [ -e "$root/$1" ] || [ -L "$root/$1" ]; }
gone() { ! there "$1"; }
called() { grep -qx "$1" "$root/tmp/calls"; }
called_nothing_but() { ! grep -vqx "$1" "$root/tmp/calls"; }
said() { grep -q "$1" "$root/tmp/told"; }
group() { grep -q '^eaves:' "$root/etc/group"; }
# Its user, in its group, who can't log in.
user() {
    gid=$(sed -n 's/^eaves:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/group")
    grep -q "^eaves:[^:]*:[1-9][0-9]*:$gid:Eaves:/var/lib/eaves:/usr/sbin/nologin\$" "$root/etc/passwd"
}
no_user() { ! grep -q '^eaves:' "$root/etc/passwd"; }

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
    try-restart\ *) [ ! -e /tmp/active ] || exec systemctl restart eaves.service ;;
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

# answered COMMAND…: as the package manager that is tried.
answered() {
    : >"$root/tmp/calls"
    chmod 666 "$root/tmp/calls"
    "$@" >"$root/tmp/told" 2>&1
}

# The last line, which counts as libtest's does.
count() {
    if [ "$failed" -gt 0 ]; then
        echo "test result: FAILED. $passed passed; $failed failed; 0 ignored"
        exit 1
    fi
    echo "test result: ok. $passed passed; 0 failed; 0 ignored"
}

# All that a package goes through, each part as the script for its kind has it.
whole() {
    newer
    without_systemd
    life
    wrong_configuration
    removal
    first_start
    count
}

wants=etc/systemd/system/multi-user.target.wants/eaves.service
