# Runs a program so that nothing of it stays behind, and tests so that none of them can hang.
# shellcheck shell=bash

# Options of `dotnet test`. When no test of a project starts or ends for five minutes, the run ends: it names the tests that were running,
# and leaves the list of tests and a small dump of the test host in the results folder.
# shellcheck disable=SC2034
hang_protection=(--blame-hang --blame-hang-timeout 5m --blame-hang-dump-type mini)

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
