-- Weekly partitions of the ledger and monthly ones of the rollup, made ahead of time.
-- Safe to call again: an existing partition is left alone. Callers take turns (see src/db/migrate.ts).
CREATE FUNCTION ensure_usage_partitions(since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  lower_bound timestamptz;
BEGIN
  lower_bound := date_trunc('week', since, 'UTC');
  WHILE lower_bound < until LOOP
    EXECUTE format(
      'CREATE TABLE IF NOT EXISTS %I PARTITION OF usage_records FOR VALUES FROM (%L) TO (%L)',
      'usage_records_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMMDD'),
      lower_bound, lower_bound + interval '7 days');
    lower_bound := lower_bound + interval '7 days';
  END LOOP;
  lower_bound := date_trunc('month', since, 'UTC');
  WHILE lower_bound < until LOOP
    EXECUTE format(
      'CREATE TABLE IF NOT EXISTS %I PARTITION OF api_usage_analytics FOR VALUES FROM (%L) TO (%L)',
      'api_usage_analytics_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMM'),
      lower_bound, (lower_bound AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    lower_bound := (lower_bound AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
  END LOOP;
END
$$;
--> statement-breakpoint
-- The change feed of the edge: every written row carries the id of its transaction. A reader asks for
-- rows with changed_xid >= the oldest transaction that was still running at its last look, so that a
-- transaction which commits late is never skipped (as it would be with a sequence).
CREATE FUNCTION stamp_changed_xid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE FUNCTION notify_edge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('veil_edge', '');
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER api_keys_stamp BEFORE INSERT OR UPDATE ON api_keys
  FOR EACH ROW EXECUTE FUNCTION stamp_changed_xid();
--> statement-breakpoint
CREATE TRIGGER api_keys_notify AFTER INSERT OR UPDATE ON api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION notify_edge();
--> statement-breakpoint
CREATE TRIGGER api_subscriptions_stamp BEFORE INSERT OR UPDATE ON api_subscriptions
  FOR EACH ROW EXECUTE FUNCTION stamp_changed_xid();
--> statement-breakpoint
CREATE TRIGGER api_subscriptions_notify AFTER INSERT OR UPDATE ON api_subscriptions
  FOR EACH STATEMENT EXECUTE FUNCTION notify_edge();
