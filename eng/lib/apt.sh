# Installs packages on Debian and Ubuntu.
# shellcheck shell=bash

# Takes the reason to print, and the commands to run as root.
install_by_apt() {
    local as_root=()
    command -v apt-get >/dev/null || return
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || return
        as_root=(sudo)
    fi

    say "$1 with apt-get, once: that takes about a minute…"
    "${as_root[@]+"${as_root[@]}"}" sh -c "set -e
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        $2" >&2
}

# Takes the reason to print and the name of a package that comes with a service. Only the program is needed, so the service is neither started
# nor left enabled.
install_program_by_apt() {
    install_by_apt "$1" "
        switch=/usr/sbin/policy-rc.d
        if [ ! -e \$switch ]; then
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
            printf '#!/bin/sh\nexit 101\n' >\$switch
            chmod 755 \$switch
        fi
        apt-get -qq install -y --no-install-recommends $2
        ! command -v systemctl >/dev/null || systemctl -q disable $2 || true
    "
}
