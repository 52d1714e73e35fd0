CREATE TABLE "event_counts" (
	"type" text NOT NULL,
	"waiting" bigint NOT NULL,
	"deduped" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
INSERT INTO event_counts (type, waiting) SELECT type, count(*) FROM events WHERE done_until IS NULL GROUP BY type;
--> statement-breakpoint
-- A row comes with every statement that adds or ends events, and goes within seconds.
ALTER TABLE event_counts SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
