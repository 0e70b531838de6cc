#!/usr/bin/env bash
# Changes the library in hundreds of small ways, one after the other, and sees whether a test fails each time. Takes about an hour; the report is
# under artifacts/mutation. The exit code is not 0 where fewer than 90 % of the changes are noticed. Arguments go to Stryker.NET:
#   ./eng/mutation.sh --mutate '**/CommitOutcomeRules.cs'
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/prerequisites.sh"

build tests/StackEnv.Merge.Tests

(cd "$root" && dotnet tool restore >/dev/null)
cd "$root/tests/StackEnv.Merge.Tests"
run_as_group dotnet stryker --output "$root/artifacts/mutation" "$@"
