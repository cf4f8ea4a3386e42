# A PostgreSQL server for tests, in a folder of its own; sourced by `run`.
#
# It listens on a socket in that folder only, so it needs no port, no password and no configuration of the
# machine's own. Debian's package is installed where there is none, without the server that it would start.

postgres_folder=

install_postgres() {
    local as_root
    as_root=$([[ $EUID -eq 0 ]] || echo sudo)
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq --no-install-recommends postgresql-common
    $as_root sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' \
        /etc/postgresql-common/createcluster.conf
    $as_root apt-get install -y -qq --no-install-recommends postgresql
}

# The folder of initdb and pg_ctl; Debian keeps them out of PATH.
postgres_programs() {
    local initdb
    initdb=$(command -v initdb || ls -v /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1)
    [[ -n $initdb ]] && dirname "$(readlink -f "$initdb")"
}

# PostgreSQL refuses to run as root, so root runs it as the user that the package makes.
as_postgres() {
    if [[ $EUID -eq 0 ]]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# Sets CAESURA_TEST_POSTGRES to its URL.
start_postgres() {
    postgres_programs >/dev/null || install_postgres
    local programs
    programs=$(postgres_programs)
    postgres_folder=$(mktemp -d)
    if [[ $EUID -eq 0 ]]; then chown postgres "$postgres_folder"; fi
    as_postgres "$programs/initdb" --pgdata "$postgres_folder/data" --username postgres --auth trust \
        --encoding UTF8 --no-sync >"$postgres_folder.log"
    as_postgres "$programs/pg_ctl" start --wait --silent --pgdata "$postgres_folder/data" \
        --log "$postgres_folder/server.log" \
        --options "-c listen_addresses= -c unix_socket_directories=$postgres_folder -c fsync=off"
    export CAESURA_TEST_POSTGRES="postgresql://postgres@/postgres?host=$postgres_folder"
}

stop_postgres() {
    if [[ -z $postgres_folder ]]; then return; fi
    as_postgres "$(postgres_programs)/pg_ctl" stop --silent --mode immediate --pgdata "$postgres_folder/data" ||
        true
    rm -rf "$postgres_folder" "$postgres_folder.log"
    postgres_folder=
}
