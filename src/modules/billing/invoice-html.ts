import type { InvoiceDocument } from './invoice-document'

const SIGNS: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const safe = (text: string): string => text.replace(/[&<>"]/g, (sign) => SIGNS[sign] ?? sign)
const lines = (of: readonly string[]): string => of.map(safe).join('<br>')

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:48rem;margin:3rem auto;padding:0 1rem}
header{display:flex;justify-content:space-between;gap:2rem}table{width:100%;border-collapse:collapse}
th,td{text-align:left;padding:.4rem .5rem;border-bottom:1px solid #ddd;vertical-align:top}
.number{text-align:right;white-space:nowrap}small{color:#666;display:block}
tfoot tr:last-child{font-weight:bold}`

/** A page of its own: no script, nothing from elsewhere. */
export function invoiceHtml(document: InvoiceDocument): string {
  const { heading, title, seller, buyer, facts, rows, totals, notes } = document
  const fact = ([name, value]: [string, string]) => `${safe(name)}: ${safe(value)}`
  const row = ({ description, explain, quantity, amount }: (typeof rows)[number]) =>
    `<tr><td>${safe(description)}<small>${safe(explain)}</small></td>` +
    `<td class="number">${safe(quantity)}</td><td class="number">${safe(amount)}</td></tr>`
  const total = ([name, value]: [string, string]) =>
    `<tr><td colspan="2">${safe(name)}</td><td class="number">${safe(value)}</td></tr>`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${safe(heading)}</title><style>${STYLE}</style></head>
<body><header><p>${lines(seller)}</p><p>${facts.map(fact).join('<br>')}</p></header>
<h1>${safe(heading)}</h1><p>${lines(buyer)}</p><p>${safe(title)}</p>
<table><thead><tr><th>Description</th><th class="number">Quantity</th><th class="number">Amount</th></tr></thead>
<tbody>${rows.map(row).join('')}</tbody><tfoot>${totals.map(total).join('')}</tfoot></table>
${notes.map((note) => `<p>${safe(note)}</p>`).join('')}</body></html>
`
}
