#!/usr/bin/env bash
# Builds the docs site: the pages, and the reference of the public API from the XML docs.
# It is artifacts/docs/html/README.html. A broken link is an error. The configuration is in docs/site.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"

build src/StackEnv.Merge

cd "$root"
rm -rf artifacts/docs
mkdir -p artifacts/docs
# docfx cannot resolve links between the pages if its configuration is in a folder of theirs, so a copy of it is used.
cp docs/site/* artifacts/docs
output=$(dotnet tool restore 2>&1 && dotnet docfx artifacts/docs/docfx.json --warningsAsErrors 2>&1) || fail "$output"
echo 'The site is artifacts/docs/html/README.html'
