#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh [build|run|lab|test|all] installs the Debian packages of that set that are missing
# deps.sh --build-raft DIR         only builds the libraft backport and leaves its .deb files in DIR
#
# build: what compiles tandem; run: what a database host needs; lab: what lab/ needs beside these two;
# test: what the tests need beside these three; all: everything, and the default.
#
# Does nothing and needs no network when everything is there. Without root it installs nothing, prints
# the one command that would, and exits with 1. No database server is started: mariadb-server-core has
# the programs but no service (Debian's nftables service is installed disabled, and keepalived, a peer in
# tests, has no configuration to start with).
#
# libraft: Debian 12 has 0.15, tandem needs 0.22. Where neither the installed package nor the
# distribution's candidate is new enough, the source package of Debian 13 is fetched with a private apt
# (own lists, the machine's own mirror and keyring, so signatures are verified), built here, and
# installed with dpkg. Nothing else of the machine's apt configuration is changed.
set -eu

raft_min=0.22
raft_suite=trixie

build_set="meson ninja-build pkg-config gcc libc6-dev libuv1-dev libmariadb-dev libmnl-dev libnftables-dev
    libgnutls28-dev libjansson-dev libconfuse-dev libsmartcols-dev libsystemd-dev libcmocka-dev"
run_set="mariadb-server-core mariadb-client mariadb-backup libmariadb3 gnutls-bin nftables iproute2 libuv1"
lab_set="python3 python3-pymysql iproute2 nftables procps"
test_set="clang clang-format clang-tidy llvm libclang-rt-14-dev python3-pytest python3-pytest-xdist tcpdump tshark keepalived gcovr git
    spin"
raft_build_set="dpkg-dev debhelper autoconf automake libtool liblz4-dev libuv1-dev pkg-config fakeroot"

say() { printf '%s\n' "deps: $*"; }
die() {
    printf '%s\n' "deps: $*" >&2
    exit 1
}

usage() {
    sed -n '4,6p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 2
}

installed_version() {
    dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p' | head -n 1
}

candidate_version() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -v '(none)' || true
}

is_new_raft() { [ -n "$1" ] && dpkg --compare-versions "$1" ge "$raft_min"; }

missing_of() {
    for package in "$@"; do
        [ -n "$(installed_version "$package")" ] || printf '%s ' "$package"
    done
}

# Which libraft packages are absent or too old; the first argument says whether headers are needed. A
# libraft that was installed without packages counts if pkg-config finds it.
raft_missing() {
    if pkg-config --atleast-version="$raft_min" raft 2>/dev/null; then
        return
    fi
    is_new_raft "$(installed_version libraft0)" || printf 'libraft0 '
    if [ "$1" = with-headers ] && ! is_new_raft "$(installed_version libraft-dev)"; then
        printf 'libraft-dev '
    fi
}

# The machine's own entry of the Debian archive, in whichever of apt's two formats it is written, as
# "URI KEYRING" (KEYRING may be empty: apt's default keys).
archive_entry() {
    # shellcheck disable=SC1091
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        awk -v codename="$codename" '
            function flush() {
                if (types ~ /(^| )deb( |$)/ && (" " suites " ") ~ (" " codename " ") &&
                    (" " components " ") ~ / main / && enabled !~ /^(no|false)/ && uris != "") {
                    split(uris, uri, " ")
                    print uri[1], (key ~ /^\//) ? key : ""
                    done = 1
                    exit
                }
                types = suites = components = uris = key = enabled = ""
            }
            /^[[:space:]]*#/ { next }
            /^[[:space:]]*$/ { flush(); next }
            {
                value = $0
                sub(/^[^:]*:[[:space:]]*/, "", value)
                field = tolower($1)
            }
            field == "types:" { types = value }
            field == "uris:" { uris = value }
            field == "suites:" { suites = value }
            field == "components:" { components = value }
            field == "signed-by:" { key = value }
            field == "enabled:" { enabled = tolower(value) }
            END { if (!done) flush() }' "$file"
    done
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v codename="$codename" '
        $1 == "deb" {
            key = ""
            at = 2
            if ($2 ~ /^\[/) {
                for (at = 2; at <= NF; at++) {
                    option = $at
                    gsub(/[][]/, "", option)
                    if (option ~ /^signed-by=\//) key = substr(option, 11)
                    if ($at ~ /\]$/) break
                }
                at++
            }
            if ($(at + 1) == codename && (" " $0 " ") ~ / main /) print $at, key
        }'
}

build_raft() {
    into=$1
    entry=$(archive_entry | head -n 1)
    [ -n "$entry" ] || die "no entry for this release's main archive in /etc/apt: add one, or install" \
        "libraft-dev $raft_min or newer by hand"
    uri=${entry%% *} keyring=${entry#* }
    [ -n "$keyring" ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -r "$keyring" ] || die "keyring '$keyring' is not readable: install debian-archive-keyring"

    scratch=$(mktemp -d) || die "no place for temporary files"
    # shellcheck disable=SC2064 # the path of now
    trap "rm -rf '$scratch'" EXIT
    trap 'exit 130' INT TERM
    chmod 755 "$scratch" # apt downloads as its own user
    mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial" "$scratch/source" "$into"
    if ! fetch_raft >"$scratch/log" 2>&1 || ! compile_raft >>"$scratch/log" 2>&1; then
        tail -n 40 "$scratch/log" >&2
        die "the libraft backport could not be built, see above"
    fi
    rm -f "$into"/libraft0_*.deb "$into"/libraft-dev_*.deb
    cp "$scratch"/source/libraft0_*.deb "$scratch"/source/libraft-dev_*.deb "$into"
}

private_apt() {
    apt-get -q -o Dir::Etc::sourcelist="$scratch/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$scratch/lists" -o Dir::Cache="$scratch/cache" -o Acquire::Retries=3 \
        -o APT::Sandbox::User=root "$@"
}

fetch_raft() {
    printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$uri" "$raft_suite" >"$scratch/sources.list" &&
        private_apt -o APT::Update::Error-Mode=any update &&
        cd "$scratch/source" &&
        private_apt source raft
}

# Without the manual and the tests of the package: they need what Debian 12 does not have or would cost
# minutes, and neither ends up in the two packages that are installed.
compile_raft() {
    cd "$scratch"/source/raft-*/ &&
        sed -i 's/, python3-sphinx, furo | python3-alabaster//' debian/control &&
        sed -i '/sphinx/d' debian/rules &&
        DEB_BUILD_OPTIONS="nocheck nodoc parallel=$(nproc)" dpkg-buildpackage -B -uc -us -d
}

apt_install() {
    # Were a package to bring a service after all, it would not be started: policy-rc.d says no.
    policy=/usr/sbin/policy-rc.d
    made=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made=yes
    fi
    rc=0
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $1 </dev/null || rc=$?
    [ -z "$made" ] || rm -f "$policy"
    [ "$rc" = 0 ] || die "apt-get failed, see above"
}

main() {
    [ $# -le 2 ] || usage
    case ${1:-all} in
    build) packages=$build_set raft=with-headers ;;
    run) packages=$run_set raft=library ;;
    lab) packages=$lab_set raft= ;;
    test) packages=$test_set raft= ;;
    all) packages="$build_set $run_set $lab_set $test_set" raft=with-headers ;;
    --build-raft)
        [ $# = 2 ] || usage
        # shellcheck disable=SC2086
        absent=$(missing_of $raft_build_set)
        [ -z "$absent" ] || die "needs: apt-get install --no-install-recommends $absent"
        build_raft "$(mkdir -p "$2" && cd "$2" && pwd)"
        return
        ;;
    *) usage ;;
    esac
    [ $# -le 1 ] || usage
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2086 # a list of words
        die "this is not Debian: install the equivalents of" $packages "and libraft (>= $raft_min)"
    fi

    # shellcheck disable=SC2046,SC2086
    absent=$(missing_of $(printf '%s\n' $packages | sort -u))
    raft_absent=
    [ -z "$raft" ] || raft_absent=$(raft_missing "$raft")
    if [ -z "$absent$raft_absent" ]; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        ask_for_root "${1:-all}"
    fi

    say "fetching the package lists"
    apt-get update -q || die "apt-get update failed, see above"
    if [ -n "$raft_absent" ] && is_new_raft "$(candidate_version libraft-dev)"; then
        absent="$absent$raft_absent"
        raft_absent=
    fi
    if [ -n "$raft_absent" ]; then
        # shellcheck disable=SC2086
        absent="$absent$(missing_of $raft_build_set)"
    fi
    if [ -n "$absent" ]; then
        say "installing: $absent"
        apt_install "$absent"
    fi
    if [ -n "$raft_absent" ]; then
        install_raft
    fi
}

ask_for_root() {
    if [ -z "$raft_absent" ]; then
        die "missing, and only root can install it: apt-get install --no-install-recommends $absent"
    fi
    die "missing, and only root can install it: $(cd "$(dirname "$0")" && pwd)/deps.sh $1" \
        "(packages: ${absent:-none}; to be built from Debian $raft_suite: $raft_absent)"
}

install_raft() {
    say "building libraft from Debian $raft_suite (this release has $(candidate_version libraft-dev))"
    debs=$(mktemp -d)
    (build_raft "$debs") || {
        rm -rf "$debs"
        exit 1
    }
    if [ "$raft" = library ]; then
        rm -f "$debs"/libraft-dev_*.deb
    fi
    rc=0
    dpkg -i "$debs"/*.deb || rc=$?
    rm -rf "$debs"
    [ "$rc" = 0 ] || die "dpkg could not install the libraft packages, see above"
    say "libraft $(installed_version libraft0) is installed"
}

main "$@"
