#!/usr/bin/env bash
# Shows real merges on a real PostgreSQL, with the statements as the server received them.
# It needs no preparation: it finds a PostgreSQL, or starts one and removes it again.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"

say 'The tour makes real merges on a real PostgreSQL, in a schema that it drops again, and shows every statement that the server received.'
build samples/StackEnv.Samples.Tour
say 'Starting the tour…'

# In place of this shell, so that whatever ends one ends the other.
exec dotnet "$root/samples/StackEnv.Samples.Tour/bin/Release/net10.0/StackEnv.Samples.Tour.dll" "$@"
