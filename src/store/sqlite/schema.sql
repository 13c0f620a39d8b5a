-- The table of the contract, in the types of SQLite.

CREATE TABLE IF NOT EXISTS observability_events (
    id            TEXT PRIMARY KEY NOT NULL, -- hyphenated uuid
    created_at    TEXT NOT NULL,             -- RFC 3339, UTC, microseconds
    source        TEXT NOT NULL,
    event_type    TEXT NOT NULL,
    severity      TEXT NOT NULL DEFAULT 'info'
                  CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    context       TEXT,                      -- JSON
    restaurant_id TEXT,
    booking_id    TEXT
);

CREATE INDEX IF NOT EXISTS observability_events_created_at_idx ON observability_events (created_at DESC);
CREATE INDEX IF NOT EXISTS observability_events_source_idx     ON observability_events (source);
CREATE INDEX IF NOT EXISTS observability_events_booking_id_idx ON observability_events (booking_id);
CREATE INDEX IF NOT EXISTS observability_events_event_type_created_at_idx
    ON observability_events (event_type, created_at DESC);
