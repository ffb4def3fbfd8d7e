/**
 * Makes the process's logger: pino for JSON, an own line writer for text that people read. Fields that may hold secrets are blanked in both.
 */
import { writeSync } from 'node:fs';
import type { Logger } from './logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LoggerOptions {
  level: LogLevel;
  format: 'text' | 'json';
  /** File descriptor, default 2. */
  fd?: number | undefined;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
/** Names of fields whose values never reach a log. */
const SECRET_FIELD = /^(token|password|secret|authorization|keyPem|cookie)$/i;

export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const fd = options.fd ?? 2;
  if (options.format === 'text') return new TextLogger(LEVELS.indexOf(options.level), line => writeSync(fd, line), '');
  const { pino } = await import('pino');
  const paths = ['token', 'password', 'secret', 'authorization', 'keyPem', 'cookie'].flatMap(name => [
    name,
    `*.${name}`,
  ]);
  const settings = { level: options.level, base: {}, redact: paths, timestamp: pino.stdTimeFunctions.isoTime };
  const logger: Logger = pino(settings, pino.destination({ fd, sync: true }));
  return logger;
}

/** `2026-01-01T00:00:00.000Z WARN  Sentence. field=value`. */
export class TextLogger implements Logger {
  private readonly threshold: number;
  private readonly write: (line: string) => void;
  private readonly bound: string;

  constructor(threshold: number, write: (line: string) => void, bound: string) {
    this.threshold = threshold;
    this.write = write;
    this.bound = bound;
  }

  debug(fields: object, message: string): void {
    this.entry(0, fields, message);
  }

  info(fields: object, message: string): void {
    this.entry(1, fields, message);
  }

  warn(fields: object, message: string): void {
    this.entry(2, fields, message);
  }

  error(fields: object, message: string): void {
    this.entry(3, fields, message);
  }

  child(fields: object): Logger {
    return new TextLogger(this.threshold, this.write, this.bound + renderFields(fields));
  }

  private entry(level: number, fields: object, message: string): void {
    if (level < this.threshold) return;
    const word = (LEVELS[level] ?? '').toUpperCase().padEnd(5);
    this.write(`${new Date().toISOString()} ${word} ${message}${this.bound}${renderFields(fields)}\n`);
  }
}

function renderFields(fields: object): string {
  let text = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${SECRET_FIELD.test(name) ? '[redacted]' : renderValue(value)}`;
  }
  return text;
}

function renderValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(errorText(value));
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return JSON.stringify(value, (name, inner: unknown) => (SECRET_FIELD.test(name) ? '[redacted]' : inner));
}

/** The message with those of its causes that it does not tell already; a stack only for what is a bug. */
function errorText(error: Error): string {
  const bug = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  const text = bug ? (error.stack ?? error.message) : error.message;
  if (!(error.cause instanceof Error) || text.includes(error.cause.message)) return text;
  return `${text} (because: ${errorText(error.cause)})`;
}
