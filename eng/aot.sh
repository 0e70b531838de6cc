#!/usr/bin/env bash
# Compiles a program to native code (AOT) and tests it: about a minute.
# The program is tests/StackEnv.Merge.Aot. Every trim and AOT warning is an error.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"

# clang or gcc links the native compiler's output.
require_linker() {
    command -v clang >/dev/null || command -v gcc >/dev/null ||
        install_by_apt 'No clang or gcc was found. Installing gcc' 'apt-get -qq install -y --no-install-recommends gcc libc6-dev' ||
        fail 'Native programs are linked by clang or gcc, and neither was found: install one of them.'
}

require_linker
build tests/StackEnv.Merge.Repository.Tests

native=$root/artifacts/aot
rm -rf "$native"
started=$SECONDS
say 'Compiling to native code…'
output=$(cd "$root" && dotnet publish tests/StackEnv.Merge.Aot -c Release --output "$native" -v quiet -tl:off 2>&1) || fail "$output"
export STACKENV_AOT_PROGRAM=$native/StackEnv.Merge.Aot
echo "Compiled to native code in $((SECONDS - started)) s: $(($(wc -c <"$STACKENV_AOT_PROGRAM") / 1024)) KiB"

cd "$root"
run_as_group dotnet test tests/StackEnv.Merge.Repository.Tests -c Release --no-build -tl:off "${hang_protection[@]}" \
    --filter FullyQualifiedName~AotSampleTests -- RunConfiguration.TreatNoTestsAsError=true
