#!/usr/bin/env bash
# Runs all benchmarks, and writes the figures into docs/performance.md, its appendix and its plots: half an hour.
# The machine must have nothing else to do. The exit code is 1 if a target is missed. Arguments go to the benchmarks, and `--help` lists them:
#   ./eng/benchmark.sh --rounds 5
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"
source "$root/eng/lib/figures.sh"

build tests/StackEnv.Merge.Benchmarks

figures=$root/artifacts/performance
measure() {
    run_as_group dotnet "$root/tests/StackEnv.Merge.Benchmarks/bin/Release/net10.0/StackEnv.Merge.Benchmarks.dll" "$@"
}

rm -rf "$figures"
status=0
measure full --out "$figures" --images "$root/docs/images" "$@" || status=$?
[ "$status" -le 1 ] || exit "$status"
measure duel --server fast --out "$figures/fast" "$@"
fill_figures "$root/docs/performance.md" "$figures"
fill_figures "$root/docs/performance-appendix.md" "$figures"
exit "$status"
