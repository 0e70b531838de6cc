# Sourced first by every script in eng/: prepares this machine, or says in one line what is missing.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

# Progress goes to standard error, so that standard output holds only what the command itself has to say.
say() {
    echo "$1" >&2
}

fail() {
    say "$1"
    exit 1
}

say 'Checking that the .NET SDK 10 and a PostgreSQL are there…'

source "$root/eng/lib/apt.sh"
source "$root/eng/lib/dotnet.sh"
source "$root/eng/lib/postgres.sh"
source "$root/eng/lib/run.sh"

use_writable_home
[ -w "$root" ] || fail "$root is not writable for $(id -un), and building writes there: use a clone of your own."
require_dotnet
require_postgres
