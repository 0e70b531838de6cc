#!/usr/bin/env bash
# Runs the library's tests on Citus, where the table of stacks is distributed by its id, and prints one line.
# STACKENV_CITUS is the connection string of a coordinator with at least one node that holds shards, opened as a superuser. Without it, a
# coordinator and two workers run in Docker, and are removed again. Arguments go to `dotnet test`:
#   ./eng/citus.sh --logger 'console;verbosity=normal'
# Tests that do not apply are listed in tests/StackEnv.Merge.Tests/not-on-citus.txt, each with the reason.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"

image=${STACKENV_CITUS_IMAGE:-citusdata/citus:13.2.0}
project=tests/StackEnv.Merge.Tests
list=$root/$project/not-on-citus.txt
results=$root/artifacts/citus
name=stackenv-citus-$$

remove_containers() {
    docker rm --force --volumes "$name-coordinator" "$name-worker-1" "$name-worker-2" >/dev/null 2>&1 || true
    docker network rm "$name" >/dev/null 2>&1 || true
}

sql() {
    docker exec "$name-$1" psql --username postgres --host localhost --no-psqlrc --quiet --tuples-only --set ON_ERROR_STOP=1 --command "$2"
}

# During its first start, the image runs a server without TCP, so a server that answers there is the real one.
await_container() {
    local try
    for ((try = 0; try < 120; try++)); do
        ! sql "$1" 'SELECT citus_version()' >/dev/null 2>&1 || return 0
        sleep 1
    done
    docker logs --tail 20 "$name-$1" >&2
    fail "$image did not start."
}

start_containers() {
    have_docker || fail 'There is no Docker. Set STACKENV_CITUS to the connection string of a Citus coordinator.'
    say "Starting a coordinator and two workers of $image…"
    trap remove_containers EXIT
    docker network create "$name" >/dev/null
    local node
    for node in coordinator worker-1 worker-2; do
        docker run --detach --name "$name-$node" --network "$name" --publish 127.0.0.1::5432 --env POSTGRES_HOST_AUTH_METHOD=trust \
            "$image" -c max_connections=300 -c wal_level=logical >/dev/null
    done
    for node in coordinator worker-1 worker-2; do
        await_container "$node"
    done
    sql coordinator "SELECT citus_set_coordinator_host('$name-coordinator')"
    sql coordinator "SELECT citus_add_node('$name-worker-1', 5432)"
    sql coordinator "SELECT citus_add_node('$name-worker-2', 5432)"

    local address
    address=$(docker port "$name-coordinator" 5432/tcp | head -n 1)
    export STACKENV_CITUS="Host=${address%:*};Port=${address##*:};Username=postgres;Database=postgres"
}

# A name in the list is that of a method, or of a whole class.
listed() {
    grep -v -e '^#' -e '^$' "$list" | cut -d ' ' -f 1
}

build "$project"
[ -n "${STACKENV_CITUS:-}" ] || start_containers

filter=''
while read -r test; do
    class=${test%%.*}
    source=$(find "$root/$project" -name "$class.cs" -not -path '*/obj/*')
    [ -n "$source" ] && { [ "$class" = "$test" ] || grep -q " ${test#*.}(" "$source"; } || fail "${list#"$root/"} has $test, and there is no such test."
    if [ "$class" = "$test" ]; then
        filter+="${filter:+&}FullyQualifiedName!~.$class."
    else
        filter+="${filter:+&}FullyQualifiedName!=$(sed -n 's/^namespace \(.*\);$/\1/p' "$source").$test"
    fi
done < <(listed)

rm -rf "$results"
mkdir -p "$results"
say 'Running the tests…'
started=$SECONDS
status=0
(cd "$root" && run_as_group dotnet test "$project" -c Release --no-build -tl:off --results-directory "$results" "${hang_protection[@]}" \
    --filter "$filter" --logger 'trx;LogFileName=tests.trx' "$@") >"$results/log" 2>&1 || status=$?
read -r total executed passed <<<"$(sed -n 's/.*<Counters total="\([0-9]*\)" executed="\([0-9]*\)" passed="\([0-9]*\)".*/\1 \2 \3/p' \
    "$results/tests.trx" 2>/dev/null)" || true
[ -n "${passed:-}" ] && [ "$passed" -gt 0 ] && [ "$passed" -eq "$total" ] || [ "$status" -ne 0 ] || status=1
echo "Citus: ${passed:-0} passed, $((${executed:-0} - ${passed:-0})) failed, $((${total:-0} - ${executed:-0})) skipped, in $((SECONDS - started)) s;" \
    "$(listed | grep -c .) tests and classes do not apply"
[ "$status" -eq 0 ] || say "See ${results#"$root/"}/log."
exit "$status"
