/**
 * Files of variables that containers read with `fileKeyRef`: a small part of what a POSIX shell takes, strictly. `NAME='value'` a line;
 * the value may go on over lines, a comment may follow it, nothing in it is expanded.
 * Source: KEP-3721; kubernetes 1.36 `pkg/kubelet/util/env`: format and texts.
 */

/** What is wrong with the file. */
export class EnvFileError extends Error {
  override readonly name = 'EnvFileError';
}

/**
 * The value of the first variable of that name; undefined if there is none. Lines after it are not looked at.
 * @throws EnvFileError
 */
export function envFileValue(text: string, key: string): string | undefined {
  const lines = text.split(/\r?\n/);
  const wrong = (line: number, why: string, from = 'at'): EnvFileError =>
    new EnvFileError(`invalid environment variable format ${from} line ${line + 1}: ${why}`);
  for (let at = 0; at < lines.length; at++) {
    const line = (lines[at] ?? '').replace(/^[ \t]+/, '');
    if (line === '' || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    if (equals === -1) throw wrong(at, "missing '='");
    const name = line.slice(0, equals);
    if (name.trim() === '') throw wrong(at, 'empty variable name');
    if (/[ \t]$/.test(name)) throw wrong(at, "whitespace before '=' is not allowed");
    let rest = line.slice(equals + 1);
    if (/^[ \t]/.test(rest)) {
      // As for a shell: the variable is empty, and what follows is another word.
      if (name === key) return '';
      continue;
    }
    if (!rest.startsWith("'")) throw wrong(at, 'value must be enclosed in single quotes');
    const startedAt = at;
    rest = rest.slice(1);
    let value = '';
    for (let end = rest.indexOf("'"); end === -1; end = rest.indexOf("'")) {
      value += `${rest}\n`;
      at++;
      const next = lines[at];
      // The end of the file is no line.
      if (next === undefined || (next === '' && at === lines.length - 1))
        throw wrong(startedAt, 'unclosed single quote', 'starting at');
      rest = next;
    }
    const end = rest.indexOf("'");
    if (!/^[ \t]*(#|$)/.test(rest.slice(end + 1))) throw wrong(at, 'unexpected content after closing quote');
    if (name === key) return value + rest.slice(0, end);
  }
  return undefined;
}
