CREATE TABLE "usage_arrivals" (
	"gateway_id" text PRIMARY KEY NOT NULL,
	"received" "int8multirange" NOT NULL,
	"last_event_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "usage_gaps" (
	"gateway_id" text NOT NULL,
	"first" bigint NOT NULL,
	"last" bigint NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	"state" text NOT NULL,
	CONSTRAINT "usage_gaps_gateway_id_first_pk" PRIMARY KEY("gateway_id","first"),
	CONSTRAINT "usage_gaps_order" CHECK (0 < "usage_gaps"."first" and "usage_gaps"."first" <= "usage_gaps"."last")
);
