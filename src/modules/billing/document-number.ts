/** Number of a document as it is printed: `VEIL-000042`, `VEIL-CN-000007`. */
export const documentNumber = (
  prefix: string,
  series: 'invoice' | 'credit_note',
  sequence: number,
): string => `${prefix}${series === 'credit_note' ? 'CN-' : ''}${String(sequence).padStart(6, '0')}`
