# Sourced after setup.sh by the scripts that run tests: installs a headless Chromium if there is none. Nothing fails here: the test that needs
# one and finds none says so.
# shellcheck shell=bash

find_chromium() {
    local name
    for name in "${STACKENV_CHROMIUM:-}" chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable chrome; do
        [ -z "$name" ] || ! command -v "$name" >/dev/null || return 0
    done
    return 1
}

find_chromium || install_by_apt 'No Chromium was found, which a test of the API sample needs. Installing it' \
    'apt-get -qq install -y --no-install-recommends chromium-headless-shell' || true
