# Owns one throw-away PostgreSQL. It makes the server's folder, runs the server in it, and takes both away when its standard input
# ends: the other end of that pipe is held by the .NET process, so it ends however that process does, SIGKILL included.
#
#   sh -c "$this" name BIN FOLDER...     BIN: where initdb and postgres are. FOLDER: where to make the server's own folder, best first.
#
# Standard output: the server's folder, then nothing while all is well, then the end of the log if the server could not be run.

bin=$1
shift
umask 077
exec 3<&0 </dev/null 2>&1

# Neither a terminal's Ctrl-C nor a reader that went away may end this script before it has cleaned up.
trap '' HUP INT QUIT PIPE

# The watcher repeats its signal until this script is gone: a server that is still starting misses one, and so may a shell's wait.
{
    read -r _ <&3
    while kill -s TERM $$; do sleep 0.1; done
} >/dev/null 2>&1 &
watcher=$!

# QUIT is PostgreSQL's immediate shutdown: nothing is worth a checkpoint in a folder about to be removed.
folder='' child='' stopping=''
trap 'stopping=yes; [ -z "$child" ] || kill -s QUIT "$child" 2>/dev/null' TERM

# Runs a command to its very end: a signal ends a shell's wait, but not the command.
run() {
    [ -z "$stopping" ] || return 1
    "$@" >>"$folder/log" 2>&1 3<&- &
    child=$!
    wait "$child"
    status=$?
    while kill -0 "$child" 2>/dev/null; do
        wait "$child"
        status=$?
    done
    child=''
    return "$status"
}

for parent; do
    folder=$(mktemp -d "$parent/stackenv-postgres.XXXXXX" 2>/dev/null) && break
done

if [ -n "$folder" ]; then
    echo "$folder"

    # Settings: the server listens on a socket in its folder and nowhere else, keeps its shared memory there too, and never syncs.
    run "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync --wal-segsize=1 &&
        run "$bin/postgres" -D "$folder/data" -p 5432 -c listen_addresses= -c "unix_socket_directories=$folder" \
            -c dynamic_shared_memory_type=mmap -c max_connections=300 -c max_wal_size=128MB -c fsync=off -c full_page_writes=off

    [ -n "$stopping" ] || tail -n 20 "$folder/log"
    rm -rf -- "$folder"
else
    [ -n "$stopping" ] || echo "No folder for the server can be made in any of: $*"
fi

kill -s KILL "$watcher"
