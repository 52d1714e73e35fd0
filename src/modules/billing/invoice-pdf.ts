import { dirname, join } from 'node:path'
import PDFDocument from 'pdfkit'
import type { DocumentRow, InvoiceDocument } from './invoice-document'

/** Latin, Greek, Cyrillic and more; the fonts that every PDF reader has know Latin-1 only. */
const FONTS = join(dirname(require.resolve('dejavu-fonts-ttf/package.json')), 'ttf')
const [REGULAR, BOLD] = [join(FONTS, 'DejaVuSans.ttf'), join(FONTS, 'DejaVuSans-Bold.ttf')]

/** A4 in points, with the same margin all around. */
const [WIDTH, MARGIN, BOTTOM] = [595, 50, 770]
const RIGHT = WIDTH - MARGIN
const QUANTITY_AT = 375
const AMOUNT_AT = 440
const [GREY, BLACK] = ['#666666', '#000000']

type Pdf = InstanceType<typeof PDFDocument>

/** Draws an invoice; as many pages as its lines need. */
export function invoicePdf(document: InvoiceDocument): Promise<Uint8Array> {
  const pdf = new PDFDocument({
    ...{ size: 'A4', margin: MARGIN, bufferPages: true },
    info: { Title: document.heading },
  })
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const chunks: Uint8Array[] = []
  pdf.on('data', (chunk: Uint8Array) => chunks.push(chunk))
  pdf.on('end', () => resolve(Buffer.concat(chunks)))
  pdf.on('error', reject)
  drawHead(pdf, document)
  drawRows(pdf, document.rows)
  drawTotals(pdf, document.totals)
  for (const note of document.notes) {
    needRoom(pdf, 30)
    write(pdf, note, MARGIN, RIGHT - MARGIN, { size: 8, color: GREY })
    pdf.moveDown(0.5)
  }
  numberPages(pdf, document.heading)
  pdf.end()
  return promise
}

interface Style {
  size?: number
  bold?: boolean
  color?: string
  align?: 'left' | 'right'
}

/** Writes at the current height, and goes on below. */
function write(pdf: Pdf, text: string, x: number, width: number, style: Style = {}): void {
  const { size = 10, bold = false, color = BLACK, align = 'left' } = style
  pdf
    .font(bold ? BOLD : REGULAR)
    .fontSize(size)
    .fillColor(color)
  pdf.text(text, x, pdf.y, { width, align })
}

/** Writes several texts from the same height on, and goes on below the longest. */
function beside(pdf: Pdf, ...columns: (() => void)[]): void {
  const top = pdf.y
  const ends = columns.map((column) => {
    pdf.y = top
    column()
    return pdf.y
  })
  pdf.y = Math.max(...ends)
}

function needRoom(pdf: Pdf, height: number): void {
  if (pdf.y + height > BOTTOM) pdf.addPage()
}

function drawHead(pdf: Pdf, { heading, title, seller, buyer, facts }: InvoiceDocument): void {
  beside(
    pdf,
    () => write(pdf, seller.join('\n'), MARGIN, 250, { size: 9, color: GREY }),
    () => {
      const text = facts.map(([name, value]) => `${name}: ${value}`).join('\n')
      write(pdf, text, QUANTITY_AT, RIGHT - QUANTITY_AT, { size: 9, align: 'right' })
    },
  )
  pdf.moveDown(2)
  write(pdf, heading, MARGIN, RIGHT - MARGIN, { size: 18, bold: true })
  pdf.moveDown(0.5)
  write(pdf, buyer.join('\n'), MARGIN, RIGHT - MARGIN)
  pdf.moveDown(1)
  write(pdf, title, MARGIN, RIGHT - MARGIN, { bold: true })
  pdf.moveDown(1)
}

function drawRow(pdf: Pdf, texts: [string, string, string], style: Style): void {
  const [description, quantity, amount] = texts
  beside(
    pdf,
    () => write(pdf, description, MARGIN, QUANTITY_AT - MARGIN - 10, style),
    () =>
      write(pdf, quantity, QUANTITY_AT, AMOUNT_AT - QUANTITY_AT - 10, { ...style, align: 'right' }),
    () => write(pdf, amount, AMOUNT_AT, RIGHT - AMOUNT_AT, { ...style, align: 'right' }),
  )
}

function rule(pdf: Pdf): void {
  pdf
    .moveTo(MARGIN, pdf.y + 3)
    .lineTo(RIGHT, pdf.y + 3)
    .lineWidth(0.5)
    .stroke(GREY)
  pdf.y += 8
}

function drawRows(pdf: Pdf, rows: readonly DocumentRow[]): void {
  drawRow(pdf, ['Description', 'Quantity', 'Amount'], { size: 8, color: GREY })
  rule(pdf)
  for (const { description, explain, quantity, amount } of rows) {
    needRoom(pdf, 45)
    drawRow(pdf, [description, quantity, amount], {})
    write(pdf, explain, MARGIN, QUANTITY_AT - MARGIN - 10, { size: 7, color: GREY })
    pdf.moveDown(0.5)
  }
  rule(pdf)
}

function drawTotals(pdf: Pdf, totals: readonly [string, string][]): void {
  needRoom(pdf, totals.length * 16 + 10)
  for (const [position, [name, amount]] of totals.entries())
    drawRow(pdf, [name, '', amount], { bold: position === totals.length - 1 })
  pdf.moveDown(1.5)
}

function numberPages(pdf: Pdf, heading: string): void {
  const { start, count } = pdf.bufferedPageRange()
  for (let page = 0; page < count; page++) {
    pdf.switchToPage(start + page)
    // Below the margin, where pdfkit would begin another page.
    pdf.page.margins.bottom = 0
    pdf.y = 805
    const text = `${heading} · page ${page + 1} of ${count}`
    write(pdf, text, MARGIN, RIGHT - MARGIN, { size: 7, color: GREY, align: 'right' })
  }
}
