-- A claim writes each row once more on its own page, which takes half of it; dead rows should go soon.
ALTER TABLE events SET (
  fillfactor = 45, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
  autovacuum_vacuum_cost_delay = 0
);
--> statement-breakpoint
-- Claims were marked in another way before.
UPDATE events SET claim_token = NULL WHERE claim_token IS NOT NULL;
--> statement-breakpoint
-- Large payloads: pglz costs more time than it saves.
DO $$
BEGIN
  ALTER TABLE events ALTER payload SET COMPRESSION lz4;
  ALTER TABLE dead_letters ALTER payload SET COMPRESSION lz4;
  ALTER TABLE event_history ALTER payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
  ALTER TABLE events ALTER payload SET STORAGE EXTERNAL;
END
$$;
--> statement-breakpoint
-- One partition a day, by the database's clock. Safe to call again; callers take turns (see src/db/migrate.ts).
CREATE FUNCTION ensure_event_history_partitions(days_ahead integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  lower_bound timestamptz := date_trunc('day', now(), 'UTC');
BEGIN
  WHILE lower_bound <= now() + days_ahead * interval '1 day' LOOP
    EXECUTE format(
      'CREATE TABLE IF NOT EXISTS %I PARTITION OF event_history FOR VALUES FROM (%L) TO (%L)',
      'event_history_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMMDD'),
      lower_bound, lower_bound + interval '1 day');
    lower_bound := lower_bound + interval '1 day';
  END LOOP;
END
$$;
--> statement-breakpoint
-- Drops the days that ended before, oldest first; with preview it only says which.
CREATE FUNCTION drop_event_history(older_than timestamptz, preview boolean) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
  day text;
BEGIN
  FOR day IN
    SELECT child.relname FROM pg_inherits
    JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent = 'event_history'::regclass
      -- A CASE, since a plan may look at other tables' partitions first, whose names are no dates.
      AND CASE WHEN child.relname ~ '_[0-9]{8}$'
        THEN (to_date(right(child.relname, 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC' <= older_than END
    ORDER BY child.relname
  LOOP
    IF NOT preview THEN EXECUTE format('DROP TABLE %I', day); END IF;
    RETURN NEXT day;
  END LOOP;
END
$$;
