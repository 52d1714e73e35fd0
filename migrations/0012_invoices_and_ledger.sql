CREATE TABLE "credit_notes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"sequence" bigint NOT NULL,
	"number" text NOT NULL,
	"invoice_id" uuid NOT NULL,
	"refund_id" text,
	"reason" text NOT NULL,
	"currency" text NOT NULL,
	"subtotal" bigint NOT NULL,
	"tax" bigint NOT NULL,
	"total" bigint NOT NULL,
	"relieved" bigint NOT NULL,
	"to_credit" bigint NOT NULL,
	"refunded" bigint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "credit_notes_total" CHECK ("credit_notes"."total" = "credit_notes"."subtotal" + "credit_notes"."tax"),
	CONSTRAINT "credit_notes_parts" CHECK ("credit_notes"."total" > 0 and least("credit_notes"."relieved", "credit_notes"."to_credit", "credit_notes"."refunded") >= 0 and "credit_notes"."total" = "credit_notes"."relieved" + "credit_notes"."to_credit" + "credit_notes"."refunded")
);
--> statement-breakpoint
CREATE TABLE "document_counters" (
	"series" text PRIMARY KEY NOT NULL,
	"last" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ledger_accounts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"owner_id" uuid NOT NULL,
	"currency" text NOT NULL,
	CONSTRAINT "ledger_accounts_owner" UNIQUE("owner_id","type","currency"),
	CONSTRAINT "ledger_accounts_currency" UNIQUE("id","currency"),
	CONSTRAINT "ledger_accounts_currency_form" CHECK ("ledger_accounts"."currency" ~ '^[A-Z]{3}$'),
	CONSTRAINT "ledger_accounts_type_known" CHECK ("ledger_accounts"."type" in ('receivable','cash','customer_credit','prepaid','provider_earnings','platform_fee','tax_payable','bad_debt','dispute_hold'))
);
--> statement-breakpoint
CREATE TABLE "ledger_entries" (
	"transaction_id" uuid NOT NULL,
	"account_id" uuid NOT NULL,
	"currency" text NOT NULL,
	"amount" bigint NOT NULL,
	CONSTRAINT "ledger_entries_transaction_id_account_id_pk" PRIMARY KEY("transaction_id","account_id"),
	CONSTRAINT "ledger_entries_amount" CHECK ("ledger_entries"."amount" <> 0)
);
--> statement-breakpoint
CREATE TABLE "ledger_transactions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"reference" text NOT NULL,
	"currency" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "ledger_transactions_fact" UNIQUE("kind","reference"),
	CONSTRAINT "ledger_transactions_currency" UNIQUE("id","currency")
);
--> statement-breakpoint
ALTER TABLE "invoices" DROP CONSTRAINT "invoices_paid";--> statement-breakpoint
ALTER TABLE "invoices" DROP CONSTRAINT "invoices_total";--> statement-breakpoint
ALTER TABLE "invoices" DROP CONSTRAINT "invoices_numbered";--> statement-breakpoint
ALTER TABLE "invoices" DROP CONSTRAINT "invoices_billing_period_id_billing_periods_id_fk";
--> statement-breakpoint
DROP INDEX "invoices_number";--> statement-breakpoint
DROP INDEX "invoices_period";--> statement-breakpoint
ALTER TABLE "invoices" ALTER COLUMN "number" SET DATA TYPE text;--> statement-breakpoint
ALTER TABLE "invoices" ALTER COLUMN "subscription_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ALTER COLUMN "tax" SET DEFAULT 0;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "sequence" bigint;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "provider_id" uuid;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "taxes" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "prices_include_tax" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "carried_to_credit" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "credit_applied" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "amount_credited" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "amount_relieved" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "amount_due" bigint GENERATED ALWAYS AS (total - credit_applied - amount_paid - amount_relieved) STORED NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "provider_earnings" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "platform_fee" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "seller" jsonb;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "buyer" jsonb;--> statement-breakpoint
ALTER TABLE "invoices" ADD COLUMN "paid_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "credit_notes" ADD CONSTRAINT "credit_notes_invoice_id_invoices_id_fk" FOREIGN KEY ("invoice_id") REFERENCES "public"."invoices"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger_entries" ADD CONSTRAINT "ledger_entries_transaction" FOREIGN KEY ("transaction_id","currency") REFERENCES "public"."ledger_transactions"("id","currency") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger_entries" ADD CONSTRAINT "ledger_entries_account_currency" FOREIGN KEY ("account_id","currency") REFERENCES "public"."ledger_accounts"("id","currency") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "credit_notes_sequence" ON "credit_notes" USING btree ("sequence");--> statement-breakpoint
CREATE UNIQUE INDEX "credit_notes_refund" ON "credit_notes" USING btree ("refund_id");--> statement-breakpoint
CREATE INDEX "credit_notes_invoice" ON "credit_notes" USING btree ("invoice_id","created_at","id");--> statement-breakpoint
CREATE INDEX "ledger_entries_account" ON "ledger_entries" USING btree ("account_id","transaction_id");--> statement-breakpoint
CREATE INDEX "ledger_transactions_newest" ON "ledger_transactions" USING btree ("at","id");--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_provider_id_users_id_fk" FOREIGN KEY ("provider_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "invoices_sequence" ON "invoices" USING btree ("sequence");--> statement-breakpoint
CREATE INDEX "invoices_drafts" ON "invoices" USING btree ("id") WHERE "invoices"."status" = 'draft';--> statement-breakpoint
CREATE INDEX "invoices_owed" ON "invoices" USING btree ("due_at") WHERE "invoices"."status" in ('open','past_due');--> statement-breakpoint
ALTER TABLE "invoices" DROP COLUMN "billing_period_id";--> statement-breakpoint
ALTER TABLE "invoices" DROP COLUMN "discount";--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_sign" CHECK ("invoices"."total" >= 0 and "invoices"."carried_to_credit" >= 0 and ("invoices"."total" = 0 or "invoices"."carried_to_credit" = 0));--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_due" CHECK ("invoices"."amount_due" >= 0);--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_parts" CHECK (least("invoices"."credit_applied", "invoices"."amount_paid", "invoices"."amount_relieved") >= 0 and "invoices"."amount_credited" between 0 and "invoices"."total");--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_status_known" CHECK ("invoices"."status" in ('draft','open','paid','past_due','uncollectible','void'));--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_total" CHECK ("invoices"."total" - "invoices"."carried_to_credit" = "invoices"."subtotal" + "invoices"."tax");--> statement-breakpoint
ALTER TABLE "invoices" ADD CONSTRAINT "invoices_numbered" CHECK (("invoices"."status" = 'draft') = ("invoices"."number" is null) and ("invoices"."sequence" is null) = ("invoices"."number" is null));--> statement-breakpoint
-- Entries are inserted a whole transaction, or several, at a time: each statement sums to zero for each
-- of them, so that at no moment, in whatever snapshot, the ledger does not.
CREATE FUNCTION require_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  unbalanced uuid;
BEGIN
  SELECT transaction_id INTO unbalanced FROM added GROUP BY transaction_id HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'ledger transaction % does not sum to zero', unbalanced
      USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_balance';
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION require_balance();
--> statement-breakpoint
CREATE TRIGGER ledger_entries_immutable BEFORE UPDATE OR DELETE ON ledger_entries
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER ledger_transactions_immutable BEFORE UPDATE OR DELETE ON ledger_transactions
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER ledger_accounts_immutable BEFORE UPDATE OR DELETE ON ledger_accounts
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER credit_notes_immutable BEFORE UPDATE OR DELETE ON credit_notes
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
-- What was sent to a customer stays as it is. What happens to it afterwards is written beside it.
CREATE FUNCTION refuse_change_of_final_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  may_change CONSTANT text[] := ARRAY['status', 'amount_paid', 'amount_credited', 'amount_relieved',
    'amount_due', 'paid_at'];
BEGIN
  IF NEW.status = 'draft' OR to_jsonb(NEW) - may_change <> to_jsonb(OLD) - may_change THEN
    RAISE EXCEPTION 'invoice % is final', OLD.number USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER invoices_final BEFORE UPDATE ON invoices
  FOR EACH ROW WHEN (OLD.status <> 'draft') EXECUTE FUNCTION refuse_change_of_final_invoice();
--> statement-breakpoint
CREATE TRIGGER invoices_kept BEFORE DELETE ON invoices
  FOR EACH ROW WHEN (OLD.status <> 'draft') EXECUTE FUNCTION refuse_change();
