# Finds the .NET SDK, and builds with it.
# shellcheck shell=bash

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_CLI_UI_LANGUAGE=en DOTNET_GENERATE_ASPNET_CERTIFICATE=false
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false

# The SDK and NuGet write to HOME. After su or sudo, or in a container, it may be unset or belong to another user.
use_writable_home() {
    [ -w "${HOME:-/nonexistent}" ] && return
    HOME=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6) || HOME=
    if [ ! -w "${HOME:-/nonexistent}" ]; then
        HOME=$root/artifacts/home
        mkdir -p "$HOME"
    fi
    export HOME
    unset DOTNET_CLI_HOME NUGET_PACKAGES XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME
}

require_dotnet() {
    local folder
    for folder in "${DOTNET_ROOT:-}" "$HOME/.dotnet" /usr/share/dotnet /usr/lib/dotnet /usr/local/share/dotnet; do
        command -v dotnet >/dev/null && break
        if [ -n "$folder" ] && [ -x "$folder/dotnet" ]; then
            export PATH="$folder:$PATH" DOTNET_ROOT=$folder
        fi
    done

    # In the root, because global.json chooses the version.
    (cd "$root" && dotnet --version) >/dev/null 2>&1 ||
        fail "The .NET SDK 10 is needed and was not found: get it from https://dotnet.microsoft.com/download/dotnet/10.0"
}

# Prints the compiler's output only when it fails. The SDK leaves empty folders among the temporary files, so they go to a folder that is
# removed.
build() {
    local scratch=$root/artifacts/tmp.$$ output status=0 first='' progress
    [ -d "$root/src/StackEnv.Merge/bin/Release" ] || first=' The first build also restores the packages: that takes one to three minutes.'
    say "Building $1…$first"
    rm -rf "$root"/artifacts/tmp.*
    mkdir -p "$scratch"
    (
        seconds=0
        while sleep 15; do
            seconds=$((seconds + 15))
            say "…still building, $seconds s so far"
        done
    ) &
    progress=$!
    output=$(cd "$root" && TMPDIR=$scratch dotnet build "$1" -c Release -v quiet -clp:NoSummary -tl:off 2>&1) || status=$?
    kill "$progress" 2>/dev/null || true
    wait "$progress" 2>/dev/null || true
    rm -rf "$scratch"
    [ "$status" -eq 0 ] || fail "$output"
}
