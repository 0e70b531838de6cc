#!/usr/bin/env bash
# Builds everything and runs every test on a real PostgreSQL: about seven minutes.
# It finds a PostgreSQL, or starts one and removes it again. Arguments go to `dotnet test`:
#   ./eng/test.sh --filter FullyQualifiedName~Lock
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"
source "$root/eng/lib/pgbouncer.sh"
source "$root/eng/lib/pgpool.sh"
source "$root/eng/lib/chromium.sh"

build StackEnv.Merge.sln

# The reports go here unless the caller chooses another folder. The prefix separates this run's from older ones.
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

say 'Running the tests…'
cd "$root"
mkdir -p "$reports"
started=$reports/$prefix
: >"$started"
status=0
run_as_group dotnet test StackEnv.Merge.sln -c Release --no-build -tl:off "${hang_protection[@]}" --logger "trx;LogFilePrefix=$prefix" \
    "${results_option[@]+"${results_option[@]}"}" "$@" || status=$?

# One report for each test project: total, executed, passed, failed.
counts=$(sed -n 's/.*<Counters total="\([0-9]*\)" executed="\([0-9]*\)" passed="\([0-9]*\)" failed="\([0-9]*\)".*/\1 \2 \3 \4/p' \
    "$reports/$prefix"*.trx 2>/dev/null) || counts=''
# A test that hung, or that ended the test host, is in no report. This file, beside the dump, lists the tests that had started.
hung=$(find "$reports" -mindepth 2 -maxdepth 2 -name 'Sequence_*.xml' -newer "$started" -exec sed -n \
    's/.* DisplayName="\([^"]*\)".* Completed="False".*/\1/p' {} +)
rm -f "$started" "$reports/$prefix"*.trx # for a report to keep, pass a --logger of your own
find "$reports" -mindepth 1 -type d -empty -delete
if [ -z "$counts" ]; then
    say 'The test run ended without a result.'
    [ "$status" -ne 0 ] || status=1
    exit "$status"
fi

[ -z "$hung" ] || say "These tests hung or crashed the test host (the dump is in ${reports#"$root/"}):"$'\n'"$hung"
[ "$status" -eq 0 ] || say "dotnet test ended with exit code $status."
echo "$counts" | awk -v hung="$(grep -c . <<<"$hung")" '
    { passed += $3; failed += $2 - $3; skipped += $1 - $2 }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed + hung, skipped }'
exit "$status"
