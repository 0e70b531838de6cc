#!/usr/bin/env bash
# Measures the library beside what one would pick instead, in full, and writes the figures into docs/performance.md and the plots beside it. It
# takes about half an hour and wants the machine to itself. The exit code is 1 where an aim is missed. Arguments go to the benchmarks:
#   ./eng/benchmark.sh --rounds 5
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/prerequisites.sh"
source "$root/eng/figures.sh"

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
exit "$status"
