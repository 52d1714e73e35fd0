import { StepFailed } from './checks.ts'

const isColored = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code: number) => (text: string) =>
  isColored ? `\u001b[${code}m${text}\u001b[0m` : text
const bold = paint(1)
const dim = paint(2)
const green = paint(32)
const red = paint(31)

/** Prints the story: numbered steps, and under each what was asked and what came back. */
export class Narrator {
  private steps = 0
  private title = ''
  private readonly began = performance.now()

  /** Runs one step; what it throws ends the story. */
  async step<T>(title: string, work: () => Promise<T>): Promise<T> {
    this.title = `${++this.steps}. ${title}`
    this.say(`\n${bold(this.title)}`)
    return work()
  }

  asked(request: string, answer: string): void {
    this.say(`   ${dim('→')} ${request}`)
    this.say(`   ${green('✓')} ${answer}`)
  }

  note(text: string): void {
    this.say(`   ${dim(text)}`)
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  done(): void {
    const seconds = ((performance.now() - this.began) / 1000).toFixed(1)
    this.say(`\n${green('✓')} ${bold(`All ${this.steps} steps held`)} (${seconds} s).`)
  }

  failed(error: unknown): void {
    const where = this.steps === 0 ? 'before the first step' : `step ${this.title}`
    const lines =
      error instanceof StepFailed
        ? [error.what, `  expected: ${show(error.expected)}`, `  got:      ${show(error.got)}`]
        : [error instanceof Error ? error.message : String(error)]
    process.stderr.write(`\n${red('✗')} The demo failed at ${where}\n  ${lines.join('\n  ')}\n`)
  }
}

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
