/** A mail without its greeting: paragraphs of plain text, with no secret in them. */
export interface Words {
  subject: string
  text: string[]
  /** The id of what is attached. */
  attachment?: string
}

/** A whole mail to somebody. */
export const letter = (
  { name, email }: { name: string; email: string },
  { text, ...words }: Words,
) => ({ ...words, to: email, text: [`Hello ${name},`, ...text, 'Veil'].join('\n\n') })
