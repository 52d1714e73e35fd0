ALTER TABLE "api_keys" ADD COLUMN "scope" jsonb;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "rotate_after_days" integer;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "rotation_reminded_at" integer;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "rotated_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "predecessor_id" text;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "deleted_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD COLUMN "spend_cap" bigint;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_predecessor_id_api_keys_id_fk" FOREIGN KEY ("predecessor_id") REFERENCES "public"."api_keys"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_successor" ON "api_keys" USING btree ("predecessor_id");--> statement-breakpoint
CREATE INDEX "api_keys_expiring" ON "api_keys" USING btree ("expires_at") WHERE "api_keys"."status" in ('active','failed_sync','rotating') and expires_at is not null;--> statement-breakpoint
CREATE INDEX "api_keys_rotation" ON "api_keys" USING btree ("id") WHERE "api_keys"."status" = 'active' and rotate_after_days is not null;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD CONSTRAINT "api_subscriptions_spend_cap" CHECK ("api_subscriptions"."spend_cap" >= 0);