CREATE TABLE "api_operation_analytics" (
	"api_id" uuid NOT NULL,
	"hour" timestamp (3) with time zone NOT NULL,
	"operation" text NOT NULL,
	"calls" bigint NOT NULL,
	"client_errors" bigint NOT NULL,
	"server_errors" bigint NOT NULL,
	"duration_ms" bigint NOT NULL,
	"request_bytes" bigint NOT NULL,
	"response_bytes" bigint NOT NULL,
	"latency" integer[] NOT NULL,
	CONSTRAINT "api_operation_analytics_api_id_hour_operation_pk" PRIMARY KEY("api_id","hour","operation")
) PARTITION BY RANGE ("hour");
--> statement-breakpoint
CREATE TABLE "billing_periods_version" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "billing_periods_version_single" CHECK ("billing_periods_version"."only")
);
--> statement-breakpoint
CREATE TABLE "usage_backlog" (
	"event_id" uuid PRIMARY KEY NOT NULL,
	"calls" integer NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage_projections" (
	"billing_period_id" uuid PRIMARY KEY NOT NULL,
	"units" bigint NOT NULL,
	"as_of" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "usage_projections" ADD CONSTRAINT "usage_projections_billing_period_id_billing_periods_id_fk" FOREIGN KEY ("billing_period_id") REFERENCES "public"."billing_periods"("id") ON DELETE cascade ON UPDATE no action;