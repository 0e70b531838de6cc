#!/usr/bin/env bash
# Runs the reliability tests in full, and writes the figures into docs/reliability.md: an hour and a quarter.
# In full means tens of thousands of faults, hundreds of thousands of operations, and half an hour of load. Arguments go to `dotnet test`:
#   ./eng/reliability.sh --filter FullyQualifiedName~Soak
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"
source "$root/eng/lib/pgbouncer.sh"
source "$root/eng/lib/pgpool.sh"
source "$root/eng/lib/figures.sh"

build tests/StackEnv.Merge.Reliability.Tests

figures=$root/artifacts/reliability
rm -rf "$figures"
export STACKENV_RELIABILITY=full
status=0
cd "$root"
# One after the other: each is to have the machine for itself.
run_as_group dotnet test tests/StackEnv.Merge.Reliability.Tests -c Release --no-build -tl:off --logger 'console;verbosity=detailed' "$@" \
    -- xUnit.ParallelizeTestCollections=false || status=$?
[ "$status" -eq 0 ] || exit "$status"

fill_figures "$root/docs/reliability.md" "$figures"
