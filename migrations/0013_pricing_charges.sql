CREATE TABLE "pricing_revisions" (
	"revision" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "pricing_revisions_revision_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"content" jsonb NOT NULL,
	"applied_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promotion_redemptions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"promotion_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"subscription_id" uuid NOT NULL,
	"type" text NOT NULL,
	"value" numeric(30, 12) NOT NULL,
	"plan_slug" text,
	"cycles" integer,
	"priority" integer NOT NULL,
	"redeemed_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "promotions" DROP CONSTRAINT "promotions_pricing_model_id_pricing_models_id_fk";
--> statement-breakpoint
ALTER TABLE "pricing_tiers" DROP CONSTRAINT "pricing_tiers_pricing_model_id_position_pk";--> statement-breakpoint
ALTER TABLE "pricing_tiers" ALTER COLUMN "flat_fee" SET DEFAULT 0;--> statement-breakpoint
ALTER TABLE "pricing_tiers" ADD COLUMN "charge" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "pricing_tiers" ADD CONSTRAINT "pricing_tiers_pricing_model_id_charge_position_pk" PRIMARY KEY("pricing_model_id","charge","position");--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "flat_fee_timing" text DEFAULT 'advance' NOT NULL;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "charges" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "minimum_fee" bigint;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "maximum_fee" bigint;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "trial_units" bigint;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "trial_card_required" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "proration_mode" text DEFAULT 'time' NOT NULL;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "refund_policy" text DEFAULT 'none' NOT NULL;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "operation_weights" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD COLUMN "rotate_keys_after_days" integer;--> statement-breakpoint
ALTER TABLE "promotions" ADD COLUMN "source" text DEFAULT 'admin' NOT NULL;--> statement-breakpoint
ALTER TABLE "promotions" ADD COLUMN "description" text;--> statement-breakpoint
ALTER TABLE "promotions" ADD COLUMN "cycles" integer;--> statement-breakpoint
ALTER TABLE "promotions" ADD COLUMN "plan_slug" text;--> statement-breakpoint
ALTER TABLE "promotions" ADD COLUMN "first_purchase" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "promotions" ADD COLUMN "minimum_fee" bigint;--> statement-breakpoint
ALTER TABLE "promotions" ADD COLUMN "upgrade_to" text;--> statement-breakpoint
ALTER TABLE "promotions" ADD COLUMN "stackable" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "promotion_redemptions" ADD CONSTRAINT "promotion_redemptions_promotion_id_promotions_id_fk" FOREIGN KEY ("promotion_id") REFERENCES "public"."promotions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotion_redemptions" ADD CONSTRAINT "promotion_redemptions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotion_redemptions" ADD CONSTRAINT "promotion_redemptions_subscription_id_api_subscriptions_id_fk" FOREIGN KEY ("subscription_id") REFERENCES "public"."api_subscriptions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "promotion_redemptions_once" ON "promotion_redemptions" USING btree ("subscription_id","promotion_id");--> statement-breakpoint
CREATE INDEX "promotion_redemptions_user" ON "promotion_redemptions" USING btree ("promotion_id","user_id");--> statement-breakpoint
ALTER TABLE "promotions" DROP COLUMN "pricing_model_id";--> statement-breakpoint
ALTER TABLE "pricing_models" ADD CONSTRAINT "pricing_models_bounds" CHECK (0 <= "pricing_models"."minimum_fee" and 0 <= "pricing_models"."maximum_fee");--> statement-breakpoint
ALTER TABLE "pricing_models" ADD CONSTRAINT "pricing_models_bounds_order" CHECK ("pricing_models"."minimum_fee" <= "pricing_models"."maximum_fee");--> statement-breakpoint
ALTER TABLE "pricing_models" ADD CONSTRAINT "pricing_models_trial" CHECK ("pricing_models"."trial_days" >= 0 and "pricing_models"."trial_units" > 0);--> statement-breakpoint
ALTER TABLE "pricing_tiers" ADD CONSTRAINT "pricing_tiers_fee" CHECK ("pricing_tiers"."flat_fee" >= 0);--> statement-breakpoint
ALTER TABLE "pricing_tiers" ADD CONSTRAINT "pricing_tiers_bound" CHECK ("pricing_tiers"."up_to" > 0);--> statement-breakpoint
ALTER TABLE "promotions" ADD CONSTRAINT "promotions_value" CHECK ("promotions"."value" >= 0);