/** What somebody may have meant who mistyped a command or a flag. Pure. */
import { nearestWord } from '../machinery/meta/nearest-word.ts';

/** A sentence for each word of the command line that is nearly a command or a flag; empty when there is none. */
export function suggest(argv: readonly string[], commands: readonly string[], flags: readonly string[]): string {
  const sentences: string[] = [];
  const [command = ''] = argv;
  if (command !== '' && !command.startsWith('-') && !commands.includes(command)) {
    const meant = nearestWord(command, commands);
    if (meant !== undefined) sentences.push(`Did you mean: k8ts ${meant}`);
  }
  for (const arg of argv) {
    const flag = /^--(?:no-)?([a-z][^=]*)/i.exec(arg)?.[1];
    if (flag === undefined || flags.includes(flag)) continue;
    const meant = nearestWord(flag.toLowerCase(), flags);
    if (meant !== undefined) sentences.push(`Did you mean: --${meant}`);
  }
  return sentences.join('\n');
}
