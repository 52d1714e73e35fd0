ALTER TABLE "api_subscriptions" ADD COLUMN "trial_reminded_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD COLUMN "scheduled_plan_kind" text;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD COLUMN "prepaid_fee" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD CONSTRAINT "api_subscriptions_scheduled_kind" CHECK (("api_subscriptions"."scheduled_plan_id" is null) = ("api_subscriptions"."scheduled_plan_kind" is null));