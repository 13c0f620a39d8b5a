-- The table that tracing-ledger writes to. Safe to apply again: what exists is left as it is.
-- Needs PostgreSQL 13 or later (gen_random_uuid).
--
-- Deployments that have them add the foreign keys, ON DELETE SET NULL, from restaurant_id and booking_id.
-- The role that writes needs no more than: GRANT INSERT ON observability_events TO …
-- The role that reads the report:          GRANT SELECT ON observability_events TO …

CREATE TABLE IF NOT EXISTS observability_events (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at    timestamptz NOT NULL    DEFAULT now(),
    source        text        NOT NULL,
    event_type    text        NOT NULL,
    severity      text        NOT NULL    DEFAULT 'info'
                  CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    context       jsonb,
    restaurant_id uuid,
    booking_id    uuid
);

CREATE INDEX IF NOT EXISTS observability_events_created_at_idx ON observability_events (created_at DESC);
CREATE INDEX IF NOT EXISTS observability_events_source_idx     ON observability_events (source);
CREATE INDEX IF NOT EXISTS observability_events_booking_id_idx ON observability_events (booking_id);
CREATE INDEX IF NOT EXISTS observability_events_event_type_created_at_idx
    ON observability_events (event_type, created_at DESC);
