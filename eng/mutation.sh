#!/usr/bin/env bash
# Runs mutation tests of the library with Stryker.NET: a file takes ten minutes to an hour, the whole library a night.
# It runs the tests one after another, so each change that no test notices takes some minutes.
# The report is under artifacts/mutation. The exit code is not 0 if the tests notice fewer than 90 % of the changes. Arguments go to Stryker.NET:
#   ./eng/mutation.sh --mutate '**/CommitOutcomeRules.cs'
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"

build tests/StackEnv.Merge.Tests

(cd "$root" && dotnet tool restore >/dev/null)
cd "$root/tests/StackEnv.Merge.Tests"
run_as_group dotnet stryker --output "$root/artifacts/mutation" "$@"
