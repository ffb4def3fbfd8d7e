/**
 * Options from the environment: `--node-name` is `K8TS_NODE_NAME`. A variable counts for every command that has the option; one that
 * belongs to no option at all is told, since it is most likely a slip of the pen.
 */
import { CliError, exitCodes } from './exit-codes.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** `K8TS_NODE_NAME` for `node-name`. */
export function variableOf(option: string): string {
  return `K8TS_${option.toUpperCase().replaceAll('-', '_')}`;
}

/**
 * The option's value as its type has it; undefined when the variable is not set or empty.
 * @throws CliError (usage) when the text is no such value
 */
export function environmentValue(
  option: string,
  type: 'string' | 'number' | 'boolean',
  env: Environment,
): string | number | boolean | undefined {
  const name = variableOf(option);
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  if (type === 'string') return text;
  if (type === 'number') {
    const number = Number(text);
    if (Number.isNaN(number)) throw new CliError(`${name}: ${JSON.stringify(text)} is no number`, exitCodes.usage);
    return number;
  }
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw new CliError(`${name}: ${JSON.stringify(text)} is neither true nor false`, exitCodes.usage);
}

/** Variables that begin like ours and belong to none of the options, sorted. Those that service links of pods set are not ours. */
export function unknownVariables(options: Iterable<string>, env: Environment): string[] {
  const known = new Set([...options].map(variableOf));
  const isLink = (name: string): boolean => /^K8TS_(SERVICE_|PORT(_|$))/.test(name);
  return Object.keys(env)
    .filter(name => name.startsWith('K8TS_') && !known.has(name) && !isLink(name))
    .sort();
}
