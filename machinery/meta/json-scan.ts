/**
 * One pass over JSON text for what JSON.parse() does not tell: how deep it nests, which keys stand twice, which numbers it would
 * change.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The deepest nesting, or the first depth beyond `limit`. The text need not be valid. */
export function nestingDepth(text: string, limit: number): number {
  let depth = 0;
  let most = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i);
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > most) most = depth;
        if (most > limit) return most;
        break;
      case 0x5d:
      case 0x7d:
        depth--;
        break;
    }
  }
  return most;
}

/** The first number that JSON.parse() would change: an integer beyond 2^53 that is not exact, or one without end. */
export function inexactNumber(text: string): string | undefined {
  // Hardly any document has such a number: one quick look spares the others the search.
  if (!/\d{16}|\d[eE]\+?\d{3}/.test(text)) return undefined;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = endOfString(text, i);
      continue;
    }
    if (code < 0x30 || code > 0x39) continue;
    NUMBER.lastIndex = i;
    const literal = NUMBER.exec(text)?.[0] ?? text.charAt(i);
    const value = Number(literal);
    if (!Number.isFinite(value) || (/^\d{16,}$/.test(literal) && !isKept(literal, value))) return literal.slice(0, 40);
    i += literal.length - 1;
  }
  return undefined;
}

/** The integer itself, or the shortest form of a double, as whoever writes doubles gives them. */
function isKept(literal: string, value: number): boolean {
  // What no integer of Go's can hold is a float there too.
  return value >= 2 ** 64 || String(value) === literal || BigInt(literal) === BigInt(value);
}

const NUMBER = /\d+(?:\.\d*)?(?:[eE][-+]?\d+)?/y;

interface Level {
  readonly path: string;
  /** Names seen so far; undefined in a list. */
  readonly names: Set<string> | undefined;
  /** Path of the current member. */
  member: string;
  index: number;
}

/** Paths of keys that stand twice in one object, such as `spec.replicas`. The text must be valid JSON. */
export function duplicateKeys(text: string): string[] {
  const found: string[] = [];
  const stack: Level[] = [];
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const level = stack.at(-1);
    if (code === QUOTE) {
      const end = endOfString(text, i);
      if (expectKey && level?.names !== undefined) {
        const raw = text.slice(i + 1, end);
        const name = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
        level.member = level.path === '' ? name : `${level.path}.${name}`;
        if (level.names.has(name)) found.push(level.member);
        level.names.add(name);
        expectKey = false;
      }
      i = end;
    } else if (code === 0x7b || code === 0x5b) {
      const path = level === undefined ? '' : memberPath(level);
      stack.push({ path, names: code === 0x7b ? new Set() : undefined, member: path, index: 0 });
      expectKey = code === 0x7b;
    } else if (code === 0x7d || code === 0x5d) {
      stack.pop();
      expectKey = false;
    } else if (code === 0x2c && level !== undefined) {
      level.index++;
      expectKey = level.names !== undefined;
    }
  }
  return found;
}

function memberPath(level: Level): string {
  return level.names === undefined ? `${level.path}[${level.index}]` : level.member;
}

/** Index of the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0 && escaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function escaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
