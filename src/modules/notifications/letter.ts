/** A mail without its greeting: paragraphs of plain text, with no secret in them. */
export interface Words {
  subject: string
  text: string[]
}

/** A whole mail to somebody. */
export const letter = (
  { name, email }: { name: string; email: string },
  { subject, text }: Words,
) => ({ to: email, subject, text: [`Hello ${name},`, ...text, 'Veil'].join('\n\n') })
