# Sourced by the scripts beside it: gets this machine ready for them, or says in one line what is missing.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

fail() {
    echo "$1" >&2
    exit 1
}

# The SDK and NuGet keep things in HOME, which after su, sudo or in a container may be unset or somebody else's.
use_writable_home() {
    [ -w "${HOME:-/nonexistent}" ] && return
    HOME=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6) || HOME=
    if [ ! -w "${HOME:-/nonexistent}" ]; then
        HOME=$root/artifacts/home
        mkdir -p "$HOME"
    fi
    export HOME
    unset DOTNET_CLI_HOME NUGET_PACKAGES XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME
}

require_dotnet() {
    local folder
    for folder in "${DOTNET_ROOT:-}" "$HOME/.dotnet" /usr/share/dotnet /usr/lib/dotnet /usr/local/share/dotnet; do
        command -v dotnet >/dev/null && break
        if [ -n "$folder" ] && [ -x "$folder/dotnet" ]; then
            export PATH="$folder:$PATH" DOTNET_ROOT=$folder
        fi
    done

    # Asked for in the root, so that global.json has its say.
    (cd "$root" && dotnet --version) >/dev/null 2>&1 ||
        fail "The .NET SDK 10 is needed and was not found: get it from https://dotnet.microsoft.com/download/dotnet/10.0"
}

# The folders of the server binaries that are installed, in the places that eng/LocalPostgres/ServerBinaries.cs looks into.
server_binaries() {
    local initdb
    for initdb in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
        /usr/libexec/postgresql*/initdb /usr/libexec/postgresql*/bin/initdb /usr/lib/postgresql*/bin/initdb \
        /opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb \
        /home/linuxbrew/.linuxbrew/opt/postgresql*/bin/initdb /Applications/Postgres.app/Contents/Versions/*/bin/initdb \
        "$(command -v initdb || true)"; do
        [ ! -x "$initdb" ] || echo "${initdb%/*}"
    done
}

have_docker() {
    command -v docker >/dev/null || return
    if command -v timeout >/dev/null; then
        timeout 5 docker info >/dev/null 2>&1
    else
        docker info >/dev/null 2>&1
    fi
}

# Takes what to say, and the commands to run as root.
install_by_apt() {
    local as_root=()
    command -v apt-get >/dev/null || return
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || return
        as_root=(sudo)
    fi

    echo "$1 by apt, once…" >&2
    "${as_root[@]+"${as_root[@]}"}" sh -c "set -e
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        $2" >&2
}

# Debian's package makes a server of its own and starts it. Only the binaries are wanted, so that is turned off while they are installed.
install_postgres() {
    install_by_apt 'No PostgreSQL was found. Installing its server binaries' '
        switch=/etc/postgresql-common/createcluster.d/00-stackenv-no-server.conf
        trap "rm -f $switch" EXIT
        apt-get -qq install -y --no-install-recommends postgresql-common
        mkdir -p "${switch%/*}"
        echo "create_main_cluster = false" >"$switch"
        apt-get -qq install -y --no-install-recommends postgresql
    '
}

require_postgres() {
    if [ -n "${STACKENV_POSTGRES:-}" ] || [ -n "$(server_binaries)" ] || have_docker; then
        return
    fi
    if install_postgres && [ -n "$(server_binaries)" ]; then
        return
    fi

    local install='Install the PostgreSQL server'
    if command -v apt-get >/dev/null; then
        install='Install it as root with `apt-get install postgresql`'
    elif command -v brew >/dev/null; then
        install='Install it with `brew install postgresql`'
    fi
    fail "No PostgreSQL was found, and none could be installed. $install, or start Docker, or set STACKENV_POSTGRES to a connection string."
}

# Builds without a word unless it fails. The SDK leaves empty folders among the temporary files, so they get a place that goes away again.
build() {
    local scratch=$root/artifacts/tmp.$$ output status=0
    rm -rf "$root"/artifacts/tmp.*
    mkdir -p "$scratch"
    output=$(cd "$root" && TMPDIR=$scratch dotnet build "$1" -c Release -v quiet -clp:NoSummary -tl:off 2>&1) || status=$?
    rm -rf "$scratch"
    [ "$status" -eq 0 ] || fail "$output"
}

# Runs a command and everything that it starts as one group with its own place for temporary files. Both end when the command does, when a
# signal comes, and also when this script is killed outright: then a watcher, in a session of its own, finds its pipe closed.
run_as_group() {
    local in_session=() scratch status=0
    command -v setsid >/dev/null && in_session=(setsid)
    scratch=$(mktemp -u "${TMPDIR:-/tmp}/stackenv-run.XXXXXX") # outside the root: its props are not for what tests build
    exec 9> >(exec "${in_session[@]+"${in_session[@]}"}" sh -c '
        trap "" HUP INT TERM
        read -r group && read -r done && exit
        [ -z "$group" ] || kill -s KILL -- "-$group"
        sleep 0.3
        rm -rf -- "$1"' sh "$scratch" >/dev/null 2>&1)
    mkdir -m 700 "$scratch"

    set -m # gives the job a process group of its own
    TMPDIR=$scratch sh -c 'echo "$$" >&9 && exec "$@" 9>&-' sh "$@" </dev/null &
    local group=$!
    set +m

    local signal=''
    trap 'signal=129' HUP
    trap 'signal=130' INT
    trap 'signal=143' TERM
    wait "$group" || status=$?
    trap '' HUP INT TERM

    # Whatever is left of it: a killed `dotnet test` leaves its test host running.
    local try=0
    while kill -s TERM -- "-$group" 2>/dev/null && [ "$try" -lt 30 ]; do
        sleep 0.1
        try=$((try + 1))
    done
    kill -s KILL -- "-$group" 2>/dev/null || true
    rm -rf "$scratch"
    echo done >&9
    exec 9>&-
    trap - HUP INT TERM

    [ -z "$signal" ] || exit "$signal"
    return "$status"
}

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_CLI_UI_LANGUAGE=en DOTNET_GENERATE_ASPNET_CERTIFICATE=false
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false

use_writable_home
[ -w "$root" ] || fail "$root is not writable for $(id -un), and building writes there: use a clone of your own."
require_dotnet
require_postgres
