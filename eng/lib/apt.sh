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
