/** Lines of container logs in CRI's format: `TIME STREAM P|F TEXT`. */

const MAX_TAIL_CHARS = 2048;
const MAX_TAIL_LINES = 80;

/** The text of the last lines; a first line that was cut off is left out. */
export function tailOfLog(log: string): string {
  const texts: string[] = [];
  for (const line of log.split('\n')) {
    const match = /^\S+ (?:stdout|stderr) ([PF]\S*) (.*)$/.exec(line);
    if (match === null) continue;
    texts.push((match[2] ?? '') + (match[1]?.startsWith('P') === true ? '' : '\n'));
  }
  return texts.slice(-MAX_TAIL_LINES).join('').slice(-MAX_TAIL_CHARS);
}
