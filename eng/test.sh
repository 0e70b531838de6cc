#!/usr/bin/env bash
# Builds everything and runs every test, on a real PostgreSQL that it finds, or starts and removes again. Arguments go to `dotnet test`:
#   ./eng/test.sh --filter FullyQualifiedName~Lock
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/prerequisites.sh"
source "$root/eng/pgbouncer.sh"

build StackEnv.Merge.sln

# Where the reports go, unless the caller wants them elsewhere. The prefix tells this run's from older ones.
reports=$root/artifacts/test-results
prefix=run-$$
results_option=(--results-directory "$reports")
previous=''
for argument; do
    case $previous$argument in
        --results-directory?*) reports=${argument#--results-directory[=:]} results_option=() ;;
    esac
    previous=''
    [ "$argument" != --results-directory ] || previous=$argument
done

status=0
cd "$root"
run_as_group dotnet test StackEnv.Merge.sln -c Release --no-build -tl:off --logger "trx;LogFilePrefix=$prefix" \
    "${results_option[@]+"${results_option[@]}"}" "$@" || status=$?

# One report for each test project: total, executed, passed, failed.
counts=$(sed -n 's/.*<Counters total="\([0-9]*\)" executed="\([0-9]*\)" passed="\([0-9]*\)" failed="\([0-9]*\)".*/\1 \2 \3 \4/p' \
    "$reports/$prefix"*.trx 2>/dev/null) || counts=''
rm -f "$reports/$prefix"*.trx # whoever wants a report asks for one of their own with --logger
if [ -z "$counts" ]; then
    echo "The test run came to no result." >&2
    [ "$status" -ne 0 ] || status=1
    exit "$status"
fi

[ "$status" -eq 0 ] || echo "dotnet test ended with exit code $status." >&2
echo "$counts" | awk '{ passed += $3; failed += $2 - $3; skipped += $1 - $2 } END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }'
exit "$status"
