/**
 * A line of `iptables-save` as words and options, and words as such a line. Quoting is that of `iptables-restore`: double quotes
 * group, a backslash inside them escapes.
 */

const PLAIN_WORD = /^[A-Za-z0-9_./:,+=\-[\]]+$/;
const UNQUOTED_STRING = /^[A-Za-z0-9_-]+$/;
const CONTROL = /[\u0000-\u001f\u007f]/;
const FLAG = /^--?[A-Za-z]/;
/** Options whose value may be any text, also one that looks like an option or a negation. */
const FREE_TEXT: ReadonlySet<string> = new Set([
  '--comment',
  '--string',
  '--hex-string',
  '--log-prefix',
  '--nflog-prefix',
  '--ulog-prefix',
  '--bytecode',
  '--object-pinned',
  '--u32',
  '--path',
  '--helper',
  '--genre',
  '--name',
  '--hashlimit-name',
  '--match-set',
  '--nfacct-name',
  '--selctx',
  '--label',
]);

const SAVED_STRINGS: ReadonlySet<string> = new Set(['--comment', '--log-prefix', '--nflog-prefix', '--helper']);
const ALWAYS_QUOTED: ReadonlySet<string> = new Set(['--string', '--hex-string', '--u32', '--bytecode']);

/** One option of a rule with its values: `! --dports 80,443`. */
export interface RuleOption {
  readonly flag: string;
  readonly not: boolean;
  readonly values: readonly string[];
  /** All of it as it stood, negation included. */
  readonly words: readonly string[];
}

/** Splits a line into words; quotes are gone afterwards. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let current = '';
  let open = false;
  let started = false;
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i);
    if (open) {
      if (c === '\\' && i + 1 < line.length) current += line.charAt(++i);
      else if (c === '"') open = false;
      else current += c;
    } else if (c === '"') {
      open = started = true;
    } else if (c === ' ' || c === '\t' || c === '\n') {
      if (started) words.push(current);
      current = '';
      started = false;
    } else {
      current += c;
      started = true;
    }
  }
  if (started) words.push(current);
  return words;
}

/** Words as options. Words before the first option make one without a flag. */
export function toOptions(words: readonly string[]): RuleOption[] {
  const options: RuleOption[] = [];
  for (let i = 0; i < words.length;) {
    const start = i;
    const not = words[i] === '!';
    if (not) i++;
    const isFlag = FLAG.test(words[i] ?? '');
    const flag = isFlag ? (words[i++] ?? '') : '';
    const first = i;
    if (FREE_TEXT.has(flag) && i < words.length) i++;
    while (i < words.length && words[i] !== '!' && !FLAG.test(words[i] ?? '')) i++;
    options.push({ flag, not, values: words.slice(first, i), words: words.slice(start, i) });
  }
  return options;
}

/** A word as `iptables-restore` reads it back: quoted where it needs to be. @throws RangeError on control characters */
export function word(text: string, unquoted: RegExp = PLAIN_WORD): string {
  if (CONTROL.test(text)) throw new RangeError(`control character in ${JSON.stringify(text)}`);
  return unquoted.test(text) ? text : `"${text.replace(/["\\']/g, '\\$&')}"`;
}

/** A value as `iptables-save` prints strings: in quotes unless it is one plain word. */
export function savedString(text: string): string {
  return word(text, UNQUOTED_STRING);
}

/** Words of a part without a type of its own, as they are; a negation stands unquoted. */
export function verbatim(words: readonly string[]): string {
  return words
    .map((text, i) => {
      const flag = words[i - 1] ?? '';
      if (ALWAYS_QUOTED.has(flag)) return word(text, /^$/);
      if (SAVED_STRINGS.has(flag)) return savedString(text);
      return text === '!' ? text : word(text);
    })
    .join(' ');
}
