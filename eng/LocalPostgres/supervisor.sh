# Owns one throw-away PostgreSQL. It makes the server's folder, runs the server in it, and takes both away when its standard input
# ends: the other end of that pipe is held by the .NET process, so it ends however that process does, SIGKILL included.
#
#   sh -c "$this" name BIN PRIMARY DURABLE FOLDER...
#       BIN: where initdb and postgres are.
#       PRIMARY: empty, or the folder of a server that is down for the moment: this one becomes its streaming standby.
#       DURABLE: empty for a server that is fast because it never syncs; else it syncs, as one in production does.
#       FOLDER: where to make the server's own folder, best first.
#
# Standard output: the server's folder, then nothing while the server runs, then the end of the log if the server could not be run.
#
# To keep the server down for a while, make the file `hold` in its folder and stop it. When it has ended the file is called
# `held`, and when that is removed the server runs again.

bin=$1
primary=$2
durable=$3
shift 3
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

# QUIT is PostgreSQL's immediate shutdown: a folder about to be removed needs no checkpoint.
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

make_data() {
    if [ -z "$primary" ]; then
        run "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync --wal-segsize=1
    else
        run cp -R "$primary/data" "$folder/data" &&
            run touch "$folder/data/standby.signal" &&
            printf '%s\n' "primary_conninfo = 'host=$primary port=5432 user=postgres'" "wal_retrieve_retry_interval = '100ms'" \
                >>"$folder/data/postgresql.auto.conf"
    fi
}

# Settings: the server listens on a socket in its folder and nowhere else, and keeps its shared memory there too.
serve() {
    [ -n "$durable" ] && set -- || set -- -c max_wal_size=128MB -c fsync=off -c full_page_writes=off
    run "$bin/postgres" -D "$folder/data" -p 5432 -c listen_addresses= -c "unix_socket_directories=$folder" \
        -c dynamic_shared_memory_type=mmap -c max_connections=300 "$@"
}

for parent; do
    folder=$(mktemp -d "$parent/stackenv-postgres.XXXXXX" 2>/dev/null) && break
done

if [ -n "$folder" ]; then
    echo "$folder"

    make_data && serve
    while [ -e "$folder/hold" ]; do
        mv "$folder/hold" "$folder/held"
        while [ -z "$stopping" ] && [ -e "$folder/held" ]; do sleep 0.01; done
        serve
    done

    [ -n "$stopping" ] || tail -n 20 "$folder/log"
    rm -rf -- "$folder"
else
    [ -n "$stopping" ] || echo "No folder for the server can be made in any of: $*"
fi

kill -s KILL "$watcher"
