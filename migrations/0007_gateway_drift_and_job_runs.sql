CREATE TABLE "gateway_drift" (
	"gateway_id" text PRIMARY KEY NOT NULL,
	"checked_at" timestamp (3) with time zone NOT NULL,
	"missing" integer NOT NULL,
	"stale" integer NOT NULL,
	"orphan" integer NOT NULL,
	"drifts" jsonb NOT NULL,
	"drifted_at" timestamp (3) with time zone,
	"total" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "job_runs" (
	"name" text PRIMARY KEY NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"ms" integer NOT NULL,
	"counts" jsonb,
	"error" text,
	"runs" bigint NOT NULL,
	"failures" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "apis" DROP CONSTRAINT "apis_status_known";--> statement-breakpoint
ALTER TABLE "gateway_commits" ADD COLUMN "api_id" uuid;--> statement-breakpoint
ALTER TABLE "apis" ADD CONSTRAINT "apis_status_known" CHECK ("apis"."status" in ('draft','publishing','published','unpublishing','taken_down'));