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
. "$(dirname "$0")/small-root.sh"

status() { [ "$(within dpkg-query -W -f '${db:Status-Status}' eaves 2>&1)" = "$1" ]; }

dpkg_in() { answered within dpkg --force-unsafe-io "$@"; }

# A newer package, with another default configuration.
newer() {
    dpkg-deb --raw-extract "$package" "$root/tmp/newer"
    sed -i 's/^Version: .*/&+newer/' "$root/tmp/newer/DEBIAN/control"
    echo '# a new default' >>"$root/tmp/newer/etc/eaves/eaves.yaml"
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$root/tmp/newer" "$root/tmp/newer.deb" >/dev/null
    rm -rf "$root/tmp/newer"
}

questions='preset .*\|is-enabled .*\|is-active .*\|daemon-reload'

without_systemd() {
    check 'where systemd does not run it is installed' dpkg_in -i /tmp/eaves.deb
    check '… with nothing to say' not said 'eaves:'
    check '… whole' status installed
    check '… enabled for when it runs' there "$wants"
    check '… without asking systemd anything' [ ! -s "$root/tmp/calls" ]
    check '… with its group' group
    check '… and its user' user
    check '… with files as they were packed' within dpkg --verify eaves
    check 'the configuration is right' within eaves config check
    for program in $(sed -n 's/^Exec[A-Za-z]*=\([^ ]*\).*/\1/p' "$root/usr/lib/systemd/system/eaves.service"); do
        check "the unit's $program is there" within test -x "$program"
    done
    check 'a second installation finds all there' dpkg_in -i /tmp/eaves.deb
    check 'purged' dpkg_in --purge eaves
    check '… with its configuration' gone etc/eaves
    check '… its user' no_user
    check '… and its group' not group
    check '… and its link' gone "$wants"
}

life() {
    stand_in
    within groupadd --system eaves
    check 'where there is but its group it is installed' dpkg_in -i /tmp/eaves.deb
    check '… with its user' user
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
    check '… the user' user
    check '… and the group' group
    check 'it is installed again' dpkg_in --force-confold -i /tmp/newer.deb
    check '… and runs' there tmp/active
    rm "$root/etc/eaves/conf.d/50-site.yaml"
    check 'it is purged' dpkg_in --purge eaves
    check '… stopped' gone tmp/active
    for path in etc/eaves var/lib/eaves var/log/eaves "$wants"; do
        check "… without /$path" gone "$path"
    done
    check '… without the user' no_user
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
whole
