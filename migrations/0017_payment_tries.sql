ALTER TABLE "payment_records" DROP CONSTRAINT "payment_records_refund";--> statement-breakpoint
DROP INDEX "payment_records_invoice";--> statement-breakpoint
ALTER TABLE "payment_records" ALTER COLUMN "invoice_id" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "payment_records" ALTER COLUMN "attempt" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "payment_records" ADD COLUMN "channel" text NOT NULL;--> statement-breakpoint
ALTER TABLE "payment_records" ADD COLUMN "method_id" uuid;--> statement-breakpoint
ALTER TABLE "payment_records" ADD COLUMN "checkout_id" text;--> statement-breakpoint
ALTER TABLE "payment_records" ADD COLUMN "amount_disputed" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "payment_records" ADD CONSTRAINT "payment_records_method_id_payment_methods_id_fk" FOREIGN KEY ("method_id") REFERENCES "public"."payment_methods"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "payment_records_pending" ON "payment_records" USING btree ("invoice_id") WHERE "payment_records"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "payment_records_newest" ON "payment_records" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "payment_records_invoice" ON "payment_records" USING btree ("invoice_id","attempt");--> statement-breakpoint
ALTER TABLE "payment_records" ADD CONSTRAINT "payment_records_checkout_id_unique" UNIQUE("checkout_id");--> statement-breakpoint
ALTER TABLE "payment_records" ADD CONSTRAINT "payment_records_status_known" CHECK ("payment_records"."status" in ('pending','succeeded','failed'));--> statement-breakpoint
ALTER TABLE "payment_records" ADD CONSTRAINT "payment_records_refund" CHECK (least("payment_records"."amount_refunded", "payment_records"."amount_disputed") >= 0 and "payment_records"."amount_refunded" + "payment_records"."amount_disputed" <= "payment_records"."amount");