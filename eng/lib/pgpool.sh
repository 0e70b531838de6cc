# Sourced after setup.sh by the scripts that run tests: installs pgpool-II if there is none. Nothing fails here: a test that needs it and does
# not find it says so.
# shellcheck shell=bash

find_pgpool() {
    [ -n "${STACKENV_PGPOOL:-}" ] || PATH=$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin command -v pgpool
}

find_pgpool >/dev/null || install_program_by_apt 'No pgpool-II was found. Installing it' pgpool2 || true
