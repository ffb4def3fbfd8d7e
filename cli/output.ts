/** What a command prints: lines for people, or one JSON document for programs. Nothing else writes to standard output. */
import pc from 'picocolors';

export type OutputFormat = 'text' | 'json';

export class Output {
  private readonly format: OutputFormat;
  private isWaiting = false;

  constructor(format: OutputFormat) {
    this.format = format;
  }

  get isJson(): boolean {
    return this.format === 'json';
  }

  /** A line for people; silent with JSON. */
  line(text = ''): void {
    if (this.format !== 'text') return;
    process.stdout.write(`${this.isWaiting ? '\r\u001b[K' : ''}${text}\n`);
    this.isWaiting = false;
  }

  /** The command's result: `text` for people, `data` for programs. */
  result(data: object, text?: string): void {
    if (this.format === 'json') process.stdout.write(`${JSON.stringify(data, undefined, 2)}\n`);
    else if (text !== undefined) process.stdout.write(`${text}\n`);
  }

  /** A step that goes on: a line that the next one replaces, on a terminal only. */
  waiting(name: string, ms: number): void {
    if (this.format !== 'text' || !process.stdout.isTTY) return;
    process.stdout.write(`\r\u001b[K${pc.yellow('…')} ${name.padEnd(28)} ${pc.dim(seconds(ms))}`);
    this.isWaiting = true;
  }

  /** A finished step with its time. */
  step(name: string, ms: number, detail = ''): void {
    this.line(`${pc.green('✔')} ${name.padEnd(28)} ${pc.dim(seconds(ms))}${detail === '' ? '' : `  ${detail}`}`);
  }

  failedStep(name: string, ms: number, why: string): void {
    this.line(`${pc.red('✖')} ${name.padEnd(28)} ${pc.dim(seconds(ms))}  ${why}`);
  }
}

/** `0.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
