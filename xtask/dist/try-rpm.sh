#!/bin/sh
# Installs, upgrades, removes and purges the package for rpm in a small system of its own, as root:
#
#     sh try-rpm.sh PACKAGE ROOT
#
# ROOT is made anew from what this host has of Debian's essential packages, and deleted at the end; rpm
# works on it from outside, with a database in it. What the package needs is there under other names, so
# that it is asked of the package and not of the system. The last line counts as libtest's does.
set -eu

package=$1
root=$2
. "$(dirname "$0")/small-root.sh"

# Debian's rpm wants to be asked twice before it installs.
rpm_in() { answered rpm --root "$root" --dbpath /var/lib/rpm --nodeps --force-debian "$@"; }
# asked FORMAT: what the package says of itself.
asked() { rpm --query --package --queryformat "$1" "$package"; }
installed() { rpm --root "$root" --dbpath /var/lib/rpm --query eaves; }
as_packed() {
    rpm --root "$root" --dbpath /var/lib/rpm --verify --nodeps eaves
}

# A newer package of the same files and scripts, with another default configuration.
newer() {
    work=$root/tmp/newer
    mkdir -p "$work/tree"
    cp "$package" "$work/old.rpm"
    rpm2archive -n "$work/old.rpm"
    tar -C "$work/tree" -xf "$work/old.rpm.tar"
    echo '# a new default' >>"$work/tree/etc/eaves/eaves.yaml"
    {
        printf 'Name: eaves\nRelease: 2\nSummary: newer\nLicense: Apache-2.0\nAutoReqProv: no\n'
        asked 'Version: %{VERSION}\n%%description\nNewer.\n'
        for script in pre:PREIN post:POSTIN preun:PREUN postun:POSTUN; do
            echo "%${script%:*}"
            asked "%{${script#*:}}\n" | sed 's/%/%%/g'
        done
        echo '%files'
        asked '[%{FILEMODES:perms} %{FILENAMES}\n]' | while read -r mode path; do
            case $mode$path in
                d*) echo "%dir $path" ;;
                */etc/*) echo "%config(noreplace) $path" ;;
                *) echo "$path" ;;
            esac
        done
    } >"$work/spec"
    rpmbuild -bb --quiet --nodeps --target x86_64-linux --noclean --buildroot "$work/tree" \
        --define "_topdir $work" --define '_rpmfilename newer.rpm' --define '_build_id_links none' \
        --define 'debug_package %{nil}' --define '__os_install_post %{nil}' \
        --define '_binary_payload w1.gzdio' "$work/spec" >"$work/said" 2>&1 || cat "$work/said"
    mv "$work/RPMS/newer.rpm" "$root/tmp/newer.rpm"
    rm -rf "$work"
}

without_systemd() {
    check 'where systemd does not run it is installed' rpm_in --install "$package"
    check '… with nothing to say' not said 'eaves:'
    check '… whole' installed
    check '… enabled for when it runs' there "$wants"
    check '… without asking systemd anything but that' called_nothing_but 'enable .*'
    check '… with its group' group
    check '… and its user' user
    check '… with files as they were packed' as_packed
    check 'the configuration is right' within eaves config check
    for program in $(sed -n 's/^Exec[A-Za-z]*=\([^ ]*\).*/\1/p' "$root/usr/lib/systemd/system/eaves.service"); do
        check "the unit's $program is there" within test -x "$program"
    done
    check 'removed' rpm_in --erase eaves
    check '… with its configuration' gone etc/eaves
    check '… and its link' gone "$wants"
    check '… and nothing of it stays but user and group' [ -z "$(find "$root" -xdev -name '*eaves*' ! -path "$root/tmp/*")" ]
}

life() {
    mkdir -p "$root/run/systemd/system"
    check 'it is installed' rpm_in --install "$package"
    check '… and started' there tmp/active
    check '… once systemd has read the unit' [ "$(tr '\n' , <"$root/tmp/calls")" = \
        'enable eaves.service,daemon-reload,start eaves.service,' ]

    mkdir -p "$root/var/lib/eaves/journal" "$root/var/log/eaves"
    echo kept >"$root/var/lib/eaves/journal/segment"
    echo 'limits: { cpu: 0.5 }' >"$root/etc/eaves/conf.d/50-site.yaml"
    echo '# mine' >>"$root/etc/eaves/eaves.yaml"
    check 'it is upgraded' rpm_in --upgrade "$root/tmp/newer.rpm"
    check '… to the newer one' [ "$(installed | grep -c -- -2)" = 1 ]
    check '… restarted' called 'restart eaves.service'
    check '… and not stopped before' not called 'stop .*'
    check '… runs' there tmp/active
    check '… is enabled' there "$wants"
    check '… with the configuration as it was changed' grep -qx '# mine' "$root/etc/eaves/eaves.yaml"
    check '… and the new default beside it' grep -qx '# a new default' "$root/etc/eaves/eaves.yaml.rpmnew"
    check '… with the state' grep -qx kept "$root/var/lib/eaves/journal/segment"

    within systemctl disable eaves.service 2>/dev/null
    rm "$root/tmp/active"
    check 'one that was disabled is installed over' rpm_in --upgrade --replacepkgs "$root/tmp/newer.rpm"
    check '… and stays so' gone "$wants"
    check '… and is not started' gone tmp/active
    within systemctl enable eaves.service 2>/dev/null
    within systemctl start eaves.service
}

wrong_configuration() {
    echo 'limits: { cpus: 1 }' >"$root/etc/eaves/conf.d/60-wrong.yaml"
    check 'with a wrong configuration it is downgraded' rpm_in --upgrade --oldpackage "$package"
    check '… whole' installed
    check '… and the one that runs is let be' called_nothing_but 'daemon-reload'
    check '… runs on' there tmp/active
    check '… which is said' said 'not started, since its configuration is wrong'
    check '… with the mistake and its place' said '60-wrong.yaml:1:'
    rm "$root/etc/eaves/conf.d/60-wrong.yaml"
}

removal() {
    check 'it is removed' rpm_in --erase eaves
    check '… stopped' called 'stop eaves.service'
    check '… not running' gone tmp/active
    check '… disabled' gone "$wants"
    check '… without its files' gone usr/bin/eaves
    check '… but with the state' there var/lib/eaves/journal/segment
    check '… the configuration that was changed' there etc/eaves/eaves.yaml.rpmsave
    check "… the site's own" there etc/eaves/conf.d/50-site.yaml
    check '… the user' user
    check '… and the group' group
    # As docs/install.md has it.
    purge=$(sed -n 's/.*after rpm: `\(rm -rf .*userdel eaves\)`.*/\1/p' "$(dirname "$0")/../../docs/install.md")
    check 'the manual says how to purge' [ -n "$purge" ]
    check '… and it can be' within sh -ec "$purge"
    for path in etc/eaves var/lib/eaves var/log/eaves; do
        check "… without /$path" gone "$path"
    done
    check '… without the user' no_user
    check '… and without the group' not group
}

first_start() {
    mkdir -p "$root/etc/eaves/conf.d"
    echo 'api: { listen: "tcp://0.0.0.0:9180" }' >"$root/etc/eaves/conf.d/10-wrong.yaml"
    check 'over a wrong configuration it is installed' rpm_in --install "$package"
    check '… whole' installed
    check '… enabled' there "$wants"
    check '… not started' gone tmp/active
    check '… which is said, with the place' said '10-wrong.yaml:1:'
    rm "$root/etc/eaves/conf.d/10-wrong.yaml"
    rpm_in --erase eaves
    touch "$root/tmp/fails"
    check 'where it does not start it is installed' rpm_in --install "$package"
    check '… whole' installed
    check '… and that is said' said 'it did not start'
}

# What the package asks for of others is asked by rpm, not by these trials alone.
needs() {
    check 'what it needs is asked for' not answered rpm --root "$root" --dbpath /var/lib/rpm --force-debian \
        --install "$package"
    for need in /usr/sbin/groupadd /usr/sbin/useradd /usr/bin/getent libc.so.6; do
        check "… $need" said "$need"
        check '… and nothing is installed' gone usr/bin/eaves
    done
}

trap 'rm -rf "$root"' EXIT
make_root
mkdir -p "$root/var/lib/rpm"
stand_in
rmdir "$root/run/systemd/system" "$root/run/systemd"
needs
whole
