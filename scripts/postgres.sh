#!/usr/bin/env bash
# Finds the PostgreSQL server, and installs it where it is missing. For the other scripts, by `source`.

is_server() {
    [[ -x $1/initdb && -x $1/pg_ctl && -x $1/psql ]]
}

# The directory of its programs: PG_BIN, or the first of the places where tests/support/install.rs looks too.
server_dir() {
    local dir
    if [[ ${PG_BIN-} ]]; then
        is_server "$PG_BIN" && echo "$PG_BIN"
        return
    fi
    for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse) \
        "$(dirname "$(command -v initdb || echo /nowhere/initdb)")" \
        "$(pg_config --bindir 2>/dev/null || echo /nowhere)"; do
        is_server "$dir" && echo "$dir" && return
    done
    return 1
}

has_server() {
    server_dir >/dev/null
}

as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "$0: installing PostgreSQL needs root: run this as root, or install sudo" >&2
        exit 1
    fi
}

apt_install() {
    as_root apt-get -q -o Acquire::Retries=3 update
    # At this runlevel the packages start no services.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -q -o Acquire::Retries=3 install -y --no-install-recommends "$@"
}

# This file stops Debian from creating and starting a server: the tests start their own.
no_debian_cluster=/etc/postgresql-common/createcluster.d/tracing-ledger-tests.conf

install_server() (
    if ! command -v apt-get >/dev/null; then
        echo "$0: the tests need a PostgreSQL server (initdb, pg_ctl, psql) and openssl." >&2
        echo "Install PostgreSQL 14 or newer and openssl, with pg_ctl and openssl on the PATH." >&2
        exit 1
    fi
    echo "$0: installing the PostgreSQL server" >&2
    as_root mkdir -p "$(dirname "$no_debian_cluster")"
    trap 'as_root rm -f "$no_debian_cluster"' EXIT
    as_root tee "$no_debian_cluster" >/dev/null <<<'create_main_cluster = false'
    apt_install postgresql openssl
    has_server || {
        echo "$0: the package postgresql is installed, but initdb, pg_ctl or psql is not in" \
            "/usr/lib/postgresql/*/bin: look for them with \`dpkg -L\`" >&2
        exit 1
    }
)

# Sees to it that the programs are there, and openssl.
need_server() {
    if [[ ${PG_BIN-} ]] && ! has_server; then
        echo "$0: PG_BIN=$PG_BIN does not contain initdb, pg_ctl and psql" >&2
        exit 1
    fi
    has_server || install_server
    command -v openssl >/dev/null || apt_install openssl
}
