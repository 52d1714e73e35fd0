CREATE TABLE "event_claims" (
	"token" uuid PRIMARY KEY NOT NULL,
	"worker" uuid NOT NULL,
	"leased_until" timestamp with time zone NOT NULL,
	"event_ids" uuid[] NOT NULL
);
--> statement-breakpoint
CREATE TABLE "event_history" (
	"id" uuid NOT NULL,
	"type" text NOT NULL,
	"state" text NOT NULL,
	"payload" json NOT NULL,
	"priority" smallint NOT NULL,
	"ordering_key" text,
	"dedupe_key" text,
	"attempts" integer NOT NULL,
	"errors" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "event_history_finished_at_id_pk" PRIMARY KEY("finished_at","id")
) PARTITION BY RANGE ("finished_at");
--> statement-breakpoint
CREATE TABLE "event_rates" (
	"minute" timestamp (3) with time zone NOT NULL,
	"worker" uuid NOT NULL,
	"type" text NOT NULL,
	"done" bigint NOT NULL,
	"retried" bigint NOT NULL,
	"dead" bigint NOT NULL,
	CONSTRAINT "event_rates_minute_worker_type_pk" PRIMARY KEY("minute","worker","type")
);
--> statement-breakpoint
DROP INDEX "events_claim";--> statement-breakpoint
DROP INDEX "events_dedupe";--> statement-breakpoint
ALTER TABLE "dead_letters" ALTER COLUMN "payload" SET DATA TYPE json;--> statement-breakpoint
ALTER TABLE "events" ALTER COLUMN "payload" SET DATA TYPE json;--> statement-breakpoint
ALTER TABLE "events" ALTER COLUMN "run_at" SET DATA TYPE timestamp with time zone;--> statement-breakpoint
ALTER TABLE "dead_letters" ADD COLUMN "priority" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "dead_letters" ADD COLUMN "ordering_key" text;--> statement-breakpoint
ALTER TABLE "dead_letters" ADD COLUMN "dedupe_key" text;--> statement-breakpoint
ALTER TABLE "dead_letters" ADD COLUMN "dedupe_window_ms" integer;--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "position" bigint NOT NULL GENERATED ALWAYS AS IDENTITY (sequence name "events_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1);--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "done_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "dedupe_window_ms" integer;--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "crashes" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "rank" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "ordering_key" text;--> statement-breakpoint
CREATE INDEX "event_history_id" ON "event_history" USING btree ("id");--> statement-breakpoint
CREATE INDEX "event_history_created" ON "event_history" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "dead_letters_created" ON "dead_letters" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "events_due" ON "events" USING btree ("type","rank","run_at","position");--> statement-breakpoint
CREATE INDEX "events_ordering" ON "events" USING btree ("ordering_key","position") WHERE "events"."ordering_key" is not null;--> statement-breakpoint
CREATE INDEX "events_suspect" ON "events" USING btree ("type") WHERE "events"."crashes" > 0;--> statement-breakpoint
CREATE INDEX "events_done" ON "events" USING btree ("done_until") WHERE "events"."done_until" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "events_dedupe" ON "events" USING btree ("type","dedupe_key") WHERE "events"."dedupe_key" is not null;--> statement-breakpoint
ALTER TABLE "events" DROP COLUMN "priority";--> statement-breakpoint
ALTER TABLE "events" DROP COLUMN "claimed_until";