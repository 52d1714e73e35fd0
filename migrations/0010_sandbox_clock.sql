CREATE TABLE "sandbox_clock_moves" (
	"since" timestamp (3) with time zone PRIMARY KEY NOT NULL,
	"offset_ms" bigint NOT NULL
);
