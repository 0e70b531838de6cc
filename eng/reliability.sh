#!/usr/bin/env bash
# Puts the README's claims to the test in full: tens of thousands of faults, hundreds of thousands of operations, half an hour of load. It takes
# about an hour, and writes the figures into docs/reliability.md. Arguments go to `dotnet test`, to run a part of it:
#   ./eng/reliability.sh --filter FullyQualifiedName~Soak
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/prerequisites.sh"
source "$root/eng/pgbouncer.sh"
source "$root/eng/figures.sh"

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
