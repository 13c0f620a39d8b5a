# Keeps one PostgreSQL server: does what standard input says, answers each line with an exit status,
# and when standard input ends, stops the server and removes its folder. The tests hold the other end, so that
# the server goes with them however they end, SIGKILL included. One process does all of it, one line after the
# other, so no stop can overtake a start.
#
# $1: PostgreSQL's programs; $2: the folder, for this server alone.
bin=$1 dir=$2 data=$2/data

# In seconds, of each command of pg_ctl. A busy machine takes longer than its 60 s to recover a server.
export PGCTLTIMEOUT=600

# Answering tests that are gone must not end the keeper before it has cleaned up.
trap '' PIPE

init() {
    "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync && cat >>"$data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
shared_buffers = 16MB
max_connections = 200
timezone = 'UTC'
END
}

# A standby of the server on that port, streaming, under a name that the other can wait for.
clone() {
    "$bin/pg_basebackup" -D "$data" -R -X stream -c fast --no-sync \
        -d "host=127.0.0.1 port=$1 user=postgres application_name=standby"
}

# The whole server at once, sessions included: one that outlives its server for a moment may still commit. Stopped
# first, so that it starts no other session meanwhile.
crash() {
    kill -STOP "$1" && children=$(cat "/proc/$1/task/$1/children" 2>/dev/null)
    # shellcheck disable=SC2086 # a list of process ids
    kill -KILL $children "$1"
}

while read -r verb port; do
    case $verb in
        init) init ;;
        clone) clone "$port" ;;
        promote) "$bin/pg_ctl" promote -w -D "$data" ;;
        start) "$bin/pg_ctl" start -w -D "$data" -l "$dir/server.log" -o "-p $port -k $dir" ;;
        stop) "$bin/pg_ctl" stop -w -D "$data" -m fast ;;
        stop_at_once) "$bin/pg_ctl" stop -w -D "$data" -m immediate ;;
        kill) crash "$(head -n 1 "$data/postmaster.pid")" ;;
        *) false ;;
    esac </dev/null >>"$dir/keeper.log" 2>&1
    echo $?
done

"$bin/pg_ctl" stop -w -D "$data" -m immediate >/dev/null 2>&1
cd / && rm -rf "$dir"
