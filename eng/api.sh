#!/usr/bin/env bash
# Writes the reference of the public API as a site, from the XML docs.
# It is artifacts/api/html/StackEnv.Merge.html. A link that leads nowhere is an error.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"

build src/StackEnv.Merge

cd "$root"
rm -rf artifacts/api
output=$(dotnet tool restore 2>&1 && dotnet docfx docfx.json --warningsAsErrors 2>&1) || fail "$output"
echo 'The reference is artifacts/api/html/StackEnv.Merge.html'
