# Sourced after setup.sh by the scripts that run tests: finds or installs a PgBouncer. Nothing fails here: a test that needs one and finds none
# says so.
# shellcheck shell=bash

# The installed one may be too old for prepared statements.
newer_pgbouncer=$root/artifacts/pgbouncer/run

find_pgbouncer() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin command -v pgbouncer
}

follows_prepared_statements() {
    local version
    version=$("$1" --version 2>/dev/null | sed -n '1s/^PgBouncer \([0-9]*\.[0-9]*\).*/\1/p') || return
    [ "${version%.*}" -gt 1 ] || [ "${version#*.}" -ge 21 ]
}

# Debian 13's PgBouncer, unpacked and started with the libraries that it was built for, so that it runs on Debian 12 too. Nothing is installed.
# apt checks the signatures.
fetch_newer_pgbouncer() {
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg folder=${newer_pgbouncer%/*} package
    [ ! -x "$newer_pgbouncer" ] || return 0
    [ -r "$keys" ] && command -v apt-get dpkg-deb >/dev/null || return

    say 'Fetching a PgBouncer that supports prepared statements, once. It is unpacked under artifacts/, not installed.' 2>&3
    rm -rf "$folder"
    mkdir -p "$folder"/{lists/partial,cache/archives/partial,packages}
    echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$folder/sources.list"
    : >"$folder/status"
    local apt=(apt-get -qq -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State=$folder"
        -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder/cache" -o Acquire::Languages=none -o APT::Sandbox::User=)
    "${apt[@]}" update && (cd "$folder/packages" && "${apt[@]}" download pgbouncer libc6 libcares2 libevent-2.1-7t64 libpam0g libaudit1 \
        libcap-ng0 libssl3t64 libzstd1 zlib1g libsystemd0 libcap2) || return
    for package in "$folder"/packages/*.deb; do
        dpkg-deb --extract "$package" "$folder/root" || return
    done
    rm -rf "$folder"/{lists,cache,packages}

    cat >"$folder/run.new" <<'RUN' && chmod +x "$folder/run.new" && "$folder/run.new" --version >/dev/null && mv "$folder/run.new" "$newer_pgbouncer"
#!/bin/sh
for loader in "${0%/*}"/root/usr/lib/*/ld-linux-*.so.*; do
    exec "$loader" --library-path "${loader%/*}" "${0%/*}/root/usr/sbin/pgbouncer" "$@"
done
RUN
}

find_pgbouncer >/dev/null || install_program_by_apt 'No PgBouncer was found. Installing it' pgbouncer || true
if [ -z "${STACKENV_PGBOUNCER:-}" ] && ! follows_prepared_statements "$(find_pgbouncer)" && fetch_newer_pgbouncer 3>&2 2>/dev/null; then
    export STACKENV_PGBOUNCER=$newer_pgbouncer
fi
