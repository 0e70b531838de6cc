#!/usr/bin/env bash
# Prints how much of src/ the tests reach, and fails below the minimum.
# Takes the folder that `dotnet test --collect` wrote to. Each test project has a report of its own. The library's tests must reach the minimum
# alone, so the best report counts.
set -euo pipefail

find "$1" -name coverage.cobertura.xml -exec grep -o -m 1 '<coverage .*>' {} + | awk '
    function rate(name) { return match($0, name "=\"[0-9.]+\"") ? substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 3) + 0 : 0 }
    rate("line-rate") > lines { lines = rate("line-rate"); branches = rate("branch-rate") }
    END {
        printf "Coverage of src/: %.1f %% of lines (at least 95), %.1f %% of branches (at least 90)\n", 100 * lines, 100 * branches
        exit !(lines >= 0.95 && branches >= 0.90)
    }
'
