#!/usr/bin/env bash
# Measures a rollup of generated rows in a PostgreSQL server of its own, and reports with and without it.
#   benches/rollup.sh [ROWS [DAYS]]     10,000,000 rows over 90 days: about 10 minutes, and 8 GB in /tmp
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/postgres.sh
source scripts/postgres.sh

rows=${1:-10000000} days=${2:-90}
bin=$(server_dir)
command=${CARGO_TARGET_DIR:-target}/release/tracing-ledger

work=$(mktemp --directory)
as=()
if [[ $(id -u) == 0 ]]; then
    chown nobody "$work"
    as=(setpriv --reuid nobody --clear-groups)
fi
trap '"${as[@]}" "$bin/pg_ctl" stop -m immediate -D "$work/data" >"$work/stop" 2>&1 || true; rm -rf "$work"' EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${as[@]}" "$bin/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$work/log"
"${as[@]}" "$bin/pg_ctl" start -w -D "$work/data" -l "$work/server.log" \
    -o "-p $port -k $work -c fsync=off -c shared_buffers=512MB -c max_wal_size=8GB" >"$work/log"

export DATABASE_URL=postgres://postgres@127.0.0.1:$port/postgres
"$bin/psql" -qX "$DATABASE_URL" <<END
CREATE UNLOGGED TABLE observability_events (
    id uuid NOT NULL, created_at timestamptz NOT NULL, source text NOT NULL, event_type text NOT NULL,
    severity text NOT NULL, context jsonb, restaurant_id uuid, booking_id uuid);
INSERT INTO observability_events
SELECT gen_random_uuid(), date_trunc('hour', now()) - (i::float8 / $rows) * interval '$days days', 'api', 'http.request', 'info',
    jsonb_build_object('duration_ms', round((exp(3 + 0.8 * (random() + random() + random() + random() - 2) * 1.7))::numeric, 3),
        'success', i % 50 <> 0, 'outcome', CASE WHEN i % 50 <> 0 THEN 'ok' ELSE 'error' END,
        'route', '/' || i % 5, 'status', (ARRAY[200, 201, 404, 500])[1 + i / 5 % 4]), NULL, NULL
FROM generate_series(1, $rows) i;
CREATE INDEX ON observability_events (created_at DESC);
VACUUM ANALYZE observability_events;
END

cargo build --locked --quiet --release --features cli --bin tracing-ledger

seconds() {
    local before
    before=$(date +%s.%N)
    "$@" >"$work/out"
    awk -v before="$before" -v after="$(date +%s.%N)" 'BEGIN { printf "%.2f", after - before }'
}

printf '%s rows over %s days, 5 routes × 4 states, load %s\n\n' "$rows" "$days" "$(cut -d ' ' -f 1 /proc/loadavg)"
printf '| | seconds |\n|---|---:|\n'
first=$(seconds "$command" rollup --by route,status --create)
printf '| `rollup --by route,status --create`: all rows | %s |\n' "$first"
printf '| the same again: nothing has changed | %s |\n' "$(seconds "$command" rollup --by route,status)"
for _ in 1 2 3; do
    printf '| `report --rollup --by route,status` | %s |\n' "$(seconds "$command" report --rollup --by route,status)"
done
printf '| `report --rollup --since 7d` | %s |\n' "$(seconds "$command" report --rollup --since 7d)"
printf '| `report --by route,status`, from the rows | %s |\n\n' "$(seconds "$command" report --by route,status)"
"$bin/psql" -qAtX "$DATABASE_URL" -c "SELECT 'The rollup has ' || count(*) || ' lines, and ' ||
    pg_size_pretty(pg_total_relation_size('observability_events_rollup')) || '; the rows have ' ||
    pg_size_pretty(pg_total_relation_size('observability_events')) || '.' FROM observability_events_rollup"
