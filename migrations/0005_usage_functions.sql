-- Partitions of the ledger (weeks) and of the rollups (months), made ahead of time. Safe to call again:
-- an existing partition is left alone. Callers take turns (see src/db/migrate.ts). Rollup rows are
-- updated again and again within their hour: room in their pages keeps those updates out of the indexes.
CREATE OR REPLACE FUNCTION ensure_usage_partitions(since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  lower_bound timestamptz;
  upper_bound timestamptz;
  rollup text;
BEGIN
  lower_bound := date_trunc('week', since, 'UTC');
  WHILE lower_bound < until LOOP
    upper_bound := lower_bound + interval '7 days';
    EXECUTE format(
      'CREATE TABLE IF NOT EXISTS %I PARTITION OF usage_records FOR VALUES FROM (%L) TO (%L)',
      'usage_records_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMMDD'), lower_bound, upper_bound);
    lower_bound := upper_bound;
  END LOOP;
  lower_bound := date_trunc('month', since, 'UTC');
  WHILE lower_bound < until LOOP
    upper_bound := (lower_bound AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    FOREACH rollup IN ARRAY ARRAY['api_usage_analytics', 'api_operation_analytics'] LOOP
      EXECUTE format(
        'CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = 70)',
        rollup || '_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMM'), rollup, lower_bound, upper_bound);
    END LOOP;
    lower_bound := upper_bound;
  END LOOP;
END
$$;
--> statement-breakpoint
ALTER TABLE usage_counters SET (fillfactor = 50);
--> statement-breakpoint
-- Drops the partitions of the ledger that end at `before` or earlier; returns their names.
CREATE FUNCTION drop_usage_partitions(before timestamptz) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
  partition text;
BEGIN
  FOR partition IN
    SELECT child.relname FROM pg_inherits
    JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent = 'usage_records'::regclass
      -- A CASE, since a plan may look at other tables' partitions first, whose names are no dates.
      AND CASE WHEN child.relname ~ '_[0-9]{8}$'
        THEN to_timestamp(right(child.relname, 8) || ' UTC', 'YYYYMMDD TZ') + interval '7 days' <= before END
    ORDER BY child.relname
  LOOP
    EXECUTE format('DROP TABLE %I', partition);
    RETURN NEXT partition;
  END LOOP;
END
$$;
--> statement-breakpoint
-- What was booked stays booked: a partition may be dropped, a row never changes.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
--> statement-breakpoint
CREATE TRIGGER usage_records_immutable BEFORE UPDATE OR DELETE ON usage_records
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
-- Element by element; the shorter one counts as filled up with zeros.
CREATE FUNCTION add_counts(counts int[], added int[]) RETURNS int[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  missing int := cardinality(added) - cardinality(counts);
BEGIN
  IF missing > 0 THEN
    counts := counts || array_fill(0, ARRAY[missing]);
  END IF;
  FOR i IN 1..cardinality(added) LOOP
    IF added[i] <> 0 THEN
      counts[i] := counts[i] + added[i];
    END IF;
  END LOOP;
  RETURN counts;
END
$$;
--> statement-breakpoint
INSERT INTO billing_periods_version (version) VALUES (1);
--> statement-breakpoint
CREATE FUNCTION bump_billing_periods_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE billing_periods_version SET version = version + 1;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER billing_periods_version
  AFTER UPDATE OF subscription_id, pricing_model_id, starts_at, ends_at OR DELETE ON billing_periods
  FOR EACH STATEMENT EXECUTE FUNCTION bump_billing_periods_version();
