/**
 * Structured log. One line an entry; fields are data, the message is a constant sentence. Secrets never become fields.
 * The shape is a subset of pino's, so that a pino logger is one.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds `fields` to every entry. */
  child(fields: object): Logger;
}

/** Discards everything. For tests. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
};
