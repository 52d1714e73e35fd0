CREATE TABLE "approval_comments" (
	"id" uuid PRIMARY KEY NOT NULL,
	"approval_id" uuid NOT NULL,
	"author_id" uuid NOT NULL,
	"body" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "approval_history" (
	"id" uuid PRIMARY KEY NOT NULL,
	"approval_id" uuid NOT NULL,
	"actor_id" uuid,
	"action" text NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "approvals" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"subject_id" text NOT NULL,
	"requester_id" uuid NOT NULL,
	"assignee_id" uuid,
	"status" text DEFAULT 'pending' NOT NULL,
	"request" jsonb NOT NULL,
	"due_at" timestamp (3) with time zone,
	"decided_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "approvals_decided" CHECK (("approvals"."status" in ('approved','rejected')) = ("approvals"."decided_at" is not null))
);
--> statement-breakpoint
CREATE TABLE "invoices" (
	"id" uuid PRIMARY KEY NOT NULL,
	"number" bigint,
	"user_id" uuid NOT NULL,
	"subscription_id" uuid NOT NULL,
	"billing_period_id" uuid NOT NULL,
	"status" text NOT NULL,
	"currency" text NOT NULL,
	"subtotal" bigint NOT NULL,
	"discount" bigint NOT NULL,
	"tax" bigint NOT NULL,
	"total" bigint NOT NULL,
	"amount_paid" bigint DEFAULT 0 NOT NULL,
	"lines" jsonb NOT NULL,
	"finalized_at" timestamp (3) with time zone,
	"due_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "invoices_total" CHECK ("invoices"."total" = "invoices"."subtotal" - "invoices"."discount" + "invoices"."tax"),
	CONSTRAINT "invoices_paid" CHECK ("invoices"."amount_paid" between 0 and "invoices"."total"),
	CONSTRAINT "invoices_numbered" CHECK ("invoices"."status" = 'draft' or "invoices"."number" is not null)
);
--> statement-breakpoint
CREATE TABLE "payment_records" (
	"id" uuid PRIMARY KEY NOT NULL,
	"invoice_id" uuid,
	"user_id" uuid NOT NULL,
	"provider" text NOT NULL,
	"external_id" text,
	"status" text NOT NULL,
	"currency" text NOT NULL,
	"amount" bigint NOT NULL,
	"amount_refunded" bigint DEFAULT 0 NOT NULL,
	"failure_code" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"settled_at" timestamp (3) with time zone,
	"attempt" integer DEFAULT 1 NOT NULL,
	CONSTRAINT "payment_records_amount" CHECK ("payment_records"."amount" > 0),
	CONSTRAINT "payment_records_refund" CHECK ("payment_records"."amount_refunded" between 0 and "payment_records"."amount")
);
--> statement-breakpoint
CREATE TABLE "api_allowed_methods" (
	"api_id" uuid NOT NULL,
	"method" text NOT NULL,
	CONSTRAINT "api_allowed_methods_api_id_method_pk" PRIMARY KEY("api_id","method")
);
--> statement-breakpoint
CREATE TABLE "api_categories" (
	"id" uuid PRIMARY KEY NOT NULL,
	"slug" text NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "api_categories_slug_unique" UNIQUE("slug")
);
--> statement-breakpoint
CREATE TABLE "api_ratings" (
	"id" uuid PRIMARY KEY NOT NULL,
	"api_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"stars" smallint NOT NULL,
	"review" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "api_ratings_once" UNIQUE("api_id","user_id"),
	CONSTRAINT "api_ratings_stars" CHECK ("api_ratings"."stars" between 1 and 5)
);
--> statement-breakpoint
CREATE TABLE "api_required_headers" (
	"api_id" uuid NOT NULL,
	"name" text NOT NULL,
	"value" text,
	CONSTRAINT "api_required_headers_api_id_name_pk" PRIMARY KEY("api_id","name")
);
--> statement-breakpoint
CREATE TABLE "apis" (
	"id" uuid PRIMARY KEY NOT NULL,
	"owner_id" uuid NOT NULL,
	"category_id" uuid,
	"slug" text NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"upstream_url" text NOT NULL,
	"status" text DEFAULT 'draft' NOT NULL,
	"published_at" timestamp (3) with time zone,
	"version" integer DEFAULT 1 NOT NULL,
	"search" "tsvector" GENERATED ALWAYS AS (to_tsvector('simple', regexp_replace("apis"."name" || ' ' || "apis"."slug" || ' ' || "apis"."description", '[-/._:@]+', ' ', 'g'))) STORED,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "apis_slug_unique" UNIQUE("slug"),
	CONSTRAINT "apis_slug_form" CHECK ("apis"."slug" ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	CONSTRAINT "apis_status_known" CHECK ("apis"."status" in ('draft','publishing','published','unpublishing'))
);
--> statement-breakpoint
CREATE TABLE "gateway_commits" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"subject_id" text NOT NULL,
	"state" text NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"undo" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"revision" text,
	"error" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deadline_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "gateway_commits_finished" CHECK (("gateway_commits"."state" = 'preparing') = ("gateway_commits"."finished_at" is null))
);
--> statement-breakpoint
CREATE TABLE "refresh_tokens" (
	"hash" "bytea" PRIMARY KEY NOT NULL,
	"session_id" uuid NOT NULL,
	"issued_at" timestamp (3) with time zone NOT NULL,
	"used_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"user_agent" text,
	"ip_address" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"revoke_reason" text
);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"kid" text PRIMARY KEY NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"encrypted_private_jwk" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"retired_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"password_hash" text,
	"name" text NOT NULL,
	"roles" text[] NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"failed_logins" integer DEFAULT 0 NOT NULL,
	"locked_until" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_email_unique" UNIQUE("email"),
	CONSTRAINT "users_email_lower" CHECK ("users"."email" = lower("users"."email")),
	CONSTRAINT "users_roles_known" CHECK ("users"."roles" <@ array['consumer','provider','admin']),
	CONSTRAINT "users_status_known" CHECK ("users"."status" in ('active','suspended','closed'))
);
--> statement-breakpoint
CREATE TABLE "audit_log" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_log_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp (3) with time zone NOT NULL,
	"actor_id" text,
	"action" text NOT NULL,
	"subject_id" text NOT NULL,
	"request_id" text,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT "audit_log_action_form" CHECK ("audit_log"."action" ~ '^[a-z-]+\.[a-z-]+$')
);
--> statement-breakpoint
CREATE TABLE "dead_letters" (
	"id" uuid PRIMARY KEY NOT NULL,
	"event_id" text NOT NULL,
	"type" text NOT NULL,
	"payload" jsonb NOT NULL,
	"reason" text NOT NULL,
	"attempts" integer NOT NULL,
	"errors" jsonb NOT NULL,
	"first_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "events" (
	"id" uuid PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"payload" jsonb NOT NULL,
	"priority" smallint DEFAULT 0 NOT NULL,
	"dedupe_key" text,
	"run_at" timestamp (3) with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"claim_token" uuid,
	"claimed_until" timestamp (3) with time zone,
	"errors" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"scope" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" text NOT NULL,
	"sealed_answer" text,
	"locked_until" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_scope_key_pk" PRIMARY KEY("scope","key")
);
--> statement-breakpoint
CREATE TABLE "leases" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"token" bigint NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"subscription_id" uuid NOT NULL,
	"api_id" uuid NOT NULL,
	"name" text NOT NULL,
	"secret_hash" "bytea" NOT NULL,
	"last_four" text NOT NULL,
	"status" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"changed_xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	CONSTRAINT "api_keys_id_form" CHECK ("api_keys"."id" ~ '^[0-9A-Za-z]{12}$'),
	CONSTRAINT "api_keys_status_known" CHECK ("api_keys"."status" in ('pending','active','failed_sync','rotating','revoked','expired'))
);
--> statement-breakpoint
CREATE TABLE "pricing_models" (
	"id" uuid PRIMARY KEY NOT NULL,
	"api_id" uuid NOT NULL,
	"slug" text NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"name" text NOT NULL,
	"type" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"currency" text NOT NULL,
	"billing_cycle" text NOT NULL,
	"flat_fee" bigint DEFAULT 0 NOT NULL,
	"trial_days" integer DEFAULT 0 NOT NULL,
	"rate_limits" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"quota_limit" bigint,
	"quota_hard" boolean DEFAULT true NOT NULL,
	"overage_rate" numeric(30, 12),
	"billable_statuses" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "pricing_models_fee" CHECK ("pricing_models"."flat_fee" >= 0),
	CONSTRAINT "pricing_models_quota" CHECK ("pricing_models"."quota_limit" > 0),
	CONSTRAINT "pricing_models_currency" CHECK ("pricing_models"."currency" ~ '^[A-Z]{3}$')
);
--> statement-breakpoint
CREATE TABLE "pricing_tiers" (
	"pricing_model_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"up_to" bigint,
	"unit_rate" numeric(30, 12) NOT NULL,
	"flat_fee" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "pricing_tiers_pricing_model_id_position_pk" PRIMARY KEY("pricing_model_id","position"),
	CONSTRAINT "pricing_tiers_rate" CHECK ("pricing_tiers"."unit_rate" >= 0)
);
--> statement-breakpoint
CREATE TABLE "promotions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"code" text NOT NULL,
	"type" text NOT NULL,
	"value" numeric(30, 12) NOT NULL,
	"currency" text,
	"api_id" uuid,
	"pricing_model_id" uuid,
	"max_uses" integer,
	"max_uses_per_user" integer,
	"uses" integer DEFAULT 0 NOT NULL,
	"priority" integer DEFAULT 0 NOT NULL,
	"starts_at" timestamp (3) with time zone NOT NULL,
	"ends_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "promotions_code_unique" UNIQUE("code"),
	CONSTRAINT "promotions_period" CHECK ("promotions"."ends_at" > "promotions"."starts_at"),
	CONSTRAINT "promotions_uses" CHECK ("promotions"."uses" >= 0 and "promotions"."uses" <= "promotions"."max_uses")
);
--> statement-breakpoint
CREATE TABLE "api_subscriptions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"api_id" uuid NOT NULL,
	"pricing_model_id" uuid NOT NULL,
	"status" text NOT NULL,
	"anchor_at" timestamp (3) with time zone NOT NULL,
	"cancelled_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"changed_xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	CONSTRAINT "api_subscriptions_status_known" CHECK ("api_subscriptions"."status" in ('trialing','active','past_due','paused','suspended','cancelled','expired'))
);
--> statement-breakpoint
CREATE TABLE "billing_periods" (
	"id" uuid PRIMARY KEY NOT NULL,
	"subscription_id" uuid NOT NULL,
	"pricing_model_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"starts_at" timestamp (3) with time zone NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL,
	"status" text DEFAULT 'open' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "billing_periods_forward" CHECK ("billing_periods"."ends_at" > "billing_periods"."starts_at")
);
--> statement-breakpoint
CREATE TABLE "subscription_pricing_history" (
	"id" uuid PRIMARY KEY NOT NULL,
	"subscription_id" uuid NOT NULL,
	"pricing_model_id" uuid NOT NULL,
	"reason" text NOT NULL,
	"effective_at" timestamp (3) with time zone NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "api_usage_analytics" (
	"subscription_id" uuid NOT NULL,
	"hour" timestamp (3) with time zone NOT NULL,
	"key_id" text NOT NULL,
	"api_id" uuid NOT NULL,
	"calls" bigint NOT NULL,
	"errors" bigint NOT NULL,
	"units" bigint NOT NULL,
	"duration_ms" bigint NOT NULL,
	"request_bytes" bigint NOT NULL,
	"response_bytes" bigint NOT NULL,
	CONSTRAINT "api_usage_analytics_subscription_id_hour_key_id_pk" PRIMARY KEY("subscription_id","hour","key_id")
) PARTITION BY RANGE ("hour");
--> statement-breakpoint
CREATE TABLE "usage_counters" (
	"subscription_id" uuid NOT NULL,
	"billing_period_id" uuid NOT NULL,
	"calls" bigint NOT NULL,
	"errors" bigint NOT NULL,
	"units" bigint NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "usage_counters_subscription_id_billing_period_id_pk" PRIMARY KEY("subscription_id","billing_period_id")
);
--> statement-breakpoint
CREATE TABLE "usage_records" (
	"subscription_id" uuid NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"id" uuid NOT NULL,
	"gateway_id" text NOT NULL,
	"sequence" bigint NOT NULL,
	"api_id" uuid NOT NULL,
	"key_id" text NOT NULL,
	"billing_period_id" uuid NOT NULL,
	"method" text NOT NULL,
	"path" text NOT NULL,
	"status" smallint NOT NULL,
	"duration_ms" integer NOT NULL,
	"request_bytes" bigint NOT NULL,
	"response_bytes" bigint NOT NULL,
	"billable" boolean NOT NULL,
	"units" integer NOT NULL,
	CONSTRAINT "usage_records_subscription_id_at_id_pk" PRIMARY KEY("subscription_id","at","id")
) PARTITION BY RANGE ("at");
--> statement-breakpoint
ALTER TABLE "approval_comments" ADD CONSTRAINT "approval_comments_approval_id_approvals_id_fk" FOREIGN KEY ("approval_id") REFERENCES "public"."approvals"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approval_comments" ADD CONSTRAINT "approval_comments_author_id_users_id_fk" FOREIGN KEY ("author_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approval_history" ADD CONSTRAINT "approval_history_approval_id_approvals_id_fk" FOREIGN KEY ("approval_id") REFERENCES "public"."approvals"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approval_history" ADD CONSTRAINT "approval_history_actor_id_users_id_fk" FOREIGN KEY ("actor_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approvals" ADD CONSTRAINT "approvals_requester_id_users_id_fk" FOREIGN KEY ("requester_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approvals" ADD CONSTRAINT "approvals_assignee_id_users_id_fk" FOREIGN KEY ("assignee_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_subscription_id_api_subscriptions_id_fk" FOREIGN KEY ("subscription_id") REFERENCES "public"."api_subscriptions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_billing_period_id_billing_periods_id_fk" FOREIGN KEY ("billing_period_id") REFERENCES "public"."billing_periods"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "payment_records" ADD CONSTRAINT "payment_records_invoice_id_invoices_id_fk" FOREIGN KEY ("invoice_id") REFERENCES "public"."invoices"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "payment_records" ADD CONSTRAINT "payment_records_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_allowed_methods" ADD CONSTRAINT "api_allowed_methods_api_id_apis_id_fk" FOREIGN KEY ("api_id") REFERENCES "public"."apis"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_ratings" ADD CONSTRAINT "api_ratings_api_id_apis_id_fk" FOREIGN KEY ("api_id") REFERENCES "public"."apis"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_ratings" ADD CONSTRAINT "api_ratings_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_required_headers" ADD CONSTRAINT "api_required_headers_api_id_apis_id_fk" FOREIGN KEY ("api_id") REFERENCES "public"."apis"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "apis" ADD CONSTRAINT "apis_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "apis" ADD CONSTRAINT "apis_category_id_api_categories_id_fk" FOREIGN KEY ("category_id") REFERENCES "public"."api_categories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_subscription_id_api_subscriptions_id_fk" FOREIGN KEY ("subscription_id") REFERENCES "public"."api_subscriptions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_api_id_apis_id_fk" FOREIGN KEY ("api_id") REFERENCES "public"."apis"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pricing_models" ADD CONSTRAINT "pricing_models_api_id_apis_id_fk" FOREIGN KEY ("api_id") REFERENCES "public"."apis"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pricing_tiers" ADD CONSTRAINT "pricing_tiers_pricing_model_id_pricing_models_id_fk" FOREIGN KEY ("pricing_model_id") REFERENCES "public"."pricing_models"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotions" ADD CONSTRAINT "promotions_api_id_apis_id_fk" FOREIGN KEY ("api_id") REFERENCES "public"."apis"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotions" ADD CONSTRAINT "promotions_pricing_model_id_pricing_models_id_fk" FOREIGN KEY ("pricing_model_id") REFERENCES "public"."pricing_models"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD CONSTRAINT "api_subscriptions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD CONSTRAINT "api_subscriptions_api_id_apis_id_fk" FOREIGN KEY ("api_id") REFERENCES "public"."apis"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_subscriptions" ADD CONSTRAINT "api_subscriptions_pricing_model_id_pricing_models_id_fk" FOREIGN KEY ("pricing_model_id") REFERENCES "public"."pricing_models"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD CONSTRAINT "billing_periods_subscription_id_api_subscriptions_id_fk" FOREIGN KEY ("subscription_id") REFERENCES "public"."api_subscriptions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "billing_periods" ADD CONSTRAINT "billing_periods_pricing_model_id_pricing_models_id_fk" FOREIGN KEY ("pricing_model_id") REFERENCES "public"."pricing_models"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "subscription_pricing_history" ADD CONSTRAINT "subscription_pricing_history_subscription_id_api_subscriptions_id_fk" FOREIGN KEY ("subscription_id") REFERENCES "public"."api_subscriptions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "subscription_pricing_history" ADD CONSTRAINT "subscription_pricing_history_pricing_model_id_pricing_models_id_fk" FOREIGN KEY ("pricing_model_id") REFERENCES "public"."pricing_models"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "usage_counters" ADD CONSTRAINT "usage_counters_subscription_id_api_subscriptions_id_fk" FOREIGN KEY ("subscription_id") REFERENCES "public"."api_subscriptions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "usage_counters" ADD CONSTRAINT "usage_counters_billing_period_id_billing_periods_id_fk" FOREIGN KEY ("billing_period_id") REFERENCES "public"."billing_periods"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "approval_comments_approval" ON "approval_comments" USING btree ("approval_id","created_at");--> statement-breakpoint
CREATE INDEX "approval_history_approval" ON "approval_history" USING btree ("approval_id","created_at");--> statement-breakpoint
CREATE INDEX "approvals_queue" ON "approvals" USING btree ("status","due_at");--> statement-breakpoint
CREATE INDEX "approvals_requester" ON "approvals" USING btree ("requester_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "invoices_number" ON "invoices" USING btree ("number");--> statement-breakpoint
CREATE UNIQUE INDEX "invoices_period" ON "invoices" USING btree ("billing_period_id") WHERE "invoices"."status" <> 'void';--> statement-breakpoint
CREATE INDEX "invoices_user" ON "invoices" USING btree ("user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "invoices_subscription" ON "invoices" USING btree ("subscription_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "payment_records_external" ON "payment_records" USING btree ("provider","external_id");--> statement-breakpoint
CREATE INDEX "payment_records_invoice" ON "payment_records" USING btree ("invoice_id");--> statement-breakpoint
CREATE INDEX "payment_records_user" ON "payment_records" USING btree ("user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "apis_owner" ON "apis" USING btree ("owner_id","created_at","id");--> statement-breakpoint
CREATE INDEX "apis_marketplace" ON "apis" USING btree ("created_at","id") WHERE "apis"."status" = 'published';--> statement-breakpoint
CREATE INDEX "apis_category" ON "apis" USING btree ("category_id");--> statement-breakpoint
CREATE INDEX "apis_search" ON "apis" USING gin ("search");--> statement-breakpoint
CREATE UNIQUE INDEX "gateway_commits_open_subject" ON "gateway_commits" USING btree ("subject_id") WHERE "gateway_commits"."state" = 'preparing';--> statement-breakpoint
CREATE INDEX "gateway_commits_in_doubt" ON "gateway_commits" USING btree ("deadline_at") WHERE "gateway_commits"."state" = 'preparing';--> statement-breakpoint
CREATE INDEX "refresh_tokens_session" ON "refresh_tokens" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "sessions_user" ON "sessions" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "audit_log_subject" ON "audit_log" USING btree ("subject_id","at");--> statement-breakpoint
CREATE INDEX "dead_letters_type" ON "dead_letters" USING btree ("type","created_at");--> statement-breakpoint
CREATE INDEX "events_claim" ON "events" USING btree ("priority" DESC NULLS LAST,"run_at","id");--> statement-breakpoint
CREATE UNIQUE INDEX "events_dedupe" ON "events" USING btree ("type","dedupe_key");--> statement-breakpoint
CREATE INDEX "idempotency_keys_expiry" ON "idempotency_keys" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "api_keys_subscription" ON "api_keys" USING btree ("subscription_id","created_at");--> statement-breakpoint
CREATE INDEX "api_keys_in_gateway" ON "api_keys" USING btree ("api_id","id") WHERE "api_keys"."status" in ('pending','active','failed_sync','rotating');--> statement-breakpoint
CREATE INDEX "api_keys_changed" ON "api_keys" USING btree ("changed_xid");--> statement-breakpoint
CREATE UNIQUE INDEX "pricing_models_version" ON "pricing_models" USING btree ("api_id","slug","version");--> statement-breakpoint
CREATE UNIQUE INDEX "pricing_models_current" ON "pricing_models" USING btree ("api_id","slug") WHERE "pricing_models"."status" = 'active';--> statement-breakpoint
CREATE INDEX "promotions_api" ON "promotions" USING btree ("api_id");--> statement-breakpoint
CREATE UNIQUE INDEX "api_subscriptions_live" ON "api_subscriptions" USING btree ("user_id","api_id") WHERE "api_subscriptions"."status" not in ('cancelled','expired');--> statement-breakpoint
CREATE INDEX "api_subscriptions_user" ON "api_subscriptions" USING btree ("user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "api_subscriptions_api" ON "api_subscriptions" USING btree ("api_id","created_at","id");--> statement-breakpoint
CREATE INDEX "api_subscriptions_changed" ON "api_subscriptions" USING btree ("changed_xid");--> statement-breakpoint
CREATE UNIQUE INDEX "billing_periods_ordinal" ON "billing_periods" USING btree ("subscription_id","ordinal");--> statement-breakpoint
CREATE UNIQUE INDEX "billing_periods_start" ON "billing_periods" USING btree ("subscription_id","starts_at");--> statement-breakpoint
CREATE INDEX "billing_periods_due" ON "billing_periods" USING btree ("ends_at") WHERE "billing_periods"."status" = 'open';--> statement-breakpoint
CREATE INDEX "subscription_pricing_history_subscription" ON "subscription_pricing_history" USING btree ("subscription_id","effective_at");--> statement-breakpoint
CREATE INDEX "api_usage_analytics_api" ON "api_usage_analytics" USING btree ("api_id","hour");