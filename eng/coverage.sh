#!/usr/bin/env bash
# Says how much of src/ the tests reach, and fails below the floor. Takes the folder that `dotnet test --collect` wrote into.
set -euo pipefail

report=$(find "$1" -name coverage.cobertura.xml | head -n 1)
[ -n "$report" ] || { echo "There is no coverage report in $1." >&2; exit 1; }

awk '
    match($0, /line-rate="[0-9.]+"/)   { lines = substr($0, RSTART + 11, RLENGTH - 12) }
    match($0, /branch-rate="[0-9.]+"/) { branches = substr($0, RSTART + 13, RLENGTH - 14) }
    lines != "" && branches != "" {
        printf "Coverage of src/: %.1f %% of lines (at least 95), %.1f %% of branches (at least 90)\n", 100 * lines, 100 * branches
        exit !(lines >= 0.95 && branches >= 0.90)
    }
' "$report"
