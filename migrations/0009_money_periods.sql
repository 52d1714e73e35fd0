CREATE TABLE "subscription_adjustments" (
	"id" uuid PRIMARY KEY NOT NULL,
	"subscription_id" uuid NOT NULL,
	"billing_period_id" uuid NOT NULL,
	"code" text NOT NULL,
	"description" text NOT NULL,
	"currency" text NOT NULL,
	"amount" bigint NOT NULL,
	"explain" text NOT NULL,
	"invoice_id" uuid,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD COLUMN "trial_ends_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD COLUMN "cancel_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD COLUMN "ended_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD COLUMN "paused_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD COLUMN "scheduled_plan_id" uuid;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD COLUMN "scheduled_plan_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD COLUMN "rate_limit_percent" integer DEFAULT 100 NOT NULL;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "cycle_index" integer;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "cycle_starts_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "cycle_ends_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "kind" text DEFAULT 'regular' NOT NULL;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "flat_fee" bigint;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "quota_limit" bigint;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "advance_invoice_id" uuid;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "arrears_invoice_id" uuid;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "billed_units" bigint;--> statement-breakpoint
-- Until now every period was a whole cycle on the terms of its plan.
UPDATE "billing_periods" SET
  "cycle_index" = "ordinal", "cycle_starts_at" = "starts_at", "cycle_ends_at" = "ends_at",
  "flat_fee" = "pricing_models"."flat_fee", "quota_limit" = "pricing_models"."quota_limit"
FROM "pricing_models" WHERE "pricing_models"."id" = "billing_periods"."pricing_model_id";--> statement-breakpoint
ALTER TABLE "billing_periods" ALTER COLUMN "cycle_index" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "billing_periods" ALTER COLUMN "cycle_starts_at" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "billing_periods" ALTER COLUMN "cycle_ends_at" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "billing_periods" ALTER COLUMN "flat_fee" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "subscription_adjustments" ADD CONSTRAINT "subscription_adjustments_subscription_id_api_subscriptions_id_fk" FOREIGN KEY ("subscription_id") REFERENCES "public"."api_subscriptions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "subscription_adjustments" ADD CONSTRAINT "subscription_adjustments_billing_period_id_billing_periods_id_fk" FOREIGN KEY ("billing_period_id") REFERENCES "public"."billing_periods"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "subscription_adjustments_waiting" ON "subscription_adjustments" USING btree ("subscription_id") WHERE "subscription_adjustments"."invoice_id" is null;--> statement-breakpoint
CREATE INDEX "subscription_adjustments_subscription" ON "subscription_adjustments" USING btree ("subscription_id","created_at");--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD CONSTRAINT "api_subscriptions_scheduled_plan_id_pricing_models_id_fk" FOREIGN KEY ("scheduled_plan_id") REFERENCES "public"."pricing_models"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "api_subscriptions_trial_due" ON "api_subscriptions" USING btree ("trial_ends_at") WHERE "api_subscriptions"."status" = 'trialing';--> statement-breakpoint
CREATE INDEX "api_subscriptions_cancel_due" ON "api_subscriptions" USING btree ("cancel_at") WHERE "api_subscriptions"."ended_at" is null;--> statement-breakpoint
CREATE INDEX "api_subscriptions_plan_due" ON "api_subscriptions" USING btree ("scheduled_plan_at");--> statement-breakpoint
CREATE INDEX "billing_periods_arrears_due" ON "billing_periods" USING btree ("ends_at") WHERE "billing_periods"."status" = 'closed';--> statement-breakpoint
CREATE INDEX "billing_periods_advance_due" ON "billing_periods" USING btree ("starts_at") WHERE "billing_periods"."advance_invoice_id" is null and "billing_periods"."flat_fee" > 0;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD CONSTRAINT "api_subscriptions_scheduled" CHECK (("api_subscriptions"."scheduled_plan_id" is null) = ("api_subscriptions"."scheduled_plan_at" is null));--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD CONSTRAINT "api_subscriptions_rate_percent" CHECK ("api_subscriptions"."rate_limit_percent" between 1 and 100);--> statement-breakpoint
ALTER TABLE "billing_periods" ADD CONSTRAINT "billing_periods_within_cycle" CHECK ("billing_periods"."starts_at" >= "billing_periods"."cycle_starts_at" and "billing_periods"."ends_at" <= "billing_periods"."cycle_ends_at");--> statement-breakpoint
ALTER TABLE "billing_periods" ADD CONSTRAINT "billing_periods_fee" CHECK ("billing_periods"."flat_fee" >= 0);--> statement-breakpoint
ALTER TABLE "billing_periods" ADD CONSTRAINT "billing_periods_kind_known" CHECK ("billing_periods"."kind" in ('trial','regular'));