# Finds a PostgreSQL, or installs its server binaries.
# shellcheck shell=bash

# Prints the folders of the installed server binaries. eng/LocalPostgres/ServerBinaries.cs looks in the same places.
server_binaries() {
    local initdb
    for initdb in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
        /usr/libexec/postgresql*/initdb /usr/libexec/postgresql*/bin/initdb /usr/lib/postgresql*/bin/initdb \
        /opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb \
        /home/linuxbrew/.linuxbrew/opt/postgresql*/bin/initdb /Applications/Postgres.app/Contents/Versions/*/bin/initdb \
        "$(command -v initdb || true)"; do
        [ ! -x "$initdb" ] || echo "${initdb%/*}"
    done
}

have_docker() {
    command -v docker >/dev/null || return
    if command -v timeout >/dev/null; then
        timeout 5 docker info >/dev/null 2>&1
    else
        docker info >/dev/null 2>&1
    fi
}

# Debian's package creates a server and starts it. Only the binaries are needed, so this is turned off during the installation.
install_postgres() {
    install_by_apt 'No PostgreSQL was found. Installing its server binaries' '
        switch=/etc/postgresql-common/createcluster.d/00-stackenv-no-server.conf
        trap "rm -f $switch" EXIT
        apt-get -qq install -y --no-install-recommends postgresql-common
        mkdir -p "${switch%/*}"
        echo "create_main_cluster = false" >"$switch"
        apt-get -qq install -y --no-install-recommends postgresql
    '
}

require_postgres() {
    if [ -n "${STACKENV_POSTGRES:-}" ] || [ -n "$(server_binaries)" ] || have_docker; then
        return
    fi
    if install_postgres && [ -n "$(server_binaries)" ]; then
        return
    fi

    local install='Install the PostgreSQL server'
    if command -v apt-get >/dev/null; then
        install='Install it as root with `apt-get install postgresql`'
    elif command -v brew >/dev/null; then
        install='Install it with `brew install postgresql`'
    fi
    fail "No PostgreSQL was found, and none could be installed. $install, or start Docker, or set STACKENV_POSTGRES to a connection string."
}
