/** What somebody may have meant who mistyped a command or a flag. Pure. */

/** How many letters must change; transposed neighbours count as two. Source: Levenshtein's distance, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map(name => ({ name, cost: distance(word.replaceAll('-', ''), name.replaceAll('-', '')) }))
    .sort((a, b) => a.cost - b.cost);
  const [best] = ranked;
  return best !== undefined && best.cost <= Math.max(1, Math.floor(word.length / 3)) ? best.name : undefined;
}

/** A sentence for each word of the command line that is nearly a command or a flag; empty when there is none. */
export function suggest(argv: readonly string[], commands: readonly string[], flags: readonly string[]): string {
  const sentences: string[] = [];
  const [command = ''] = argv;
  if (command !== '' && !command.startsWith('-') && !commands.includes(command)) {
    const meant = nearest(command, commands);
    if (meant !== undefined) sentences.push(`Did you mean: k8ts ${meant}`);
  }
  for (const arg of argv) {
    const flag = /^--(?:no-)?([a-z][^=]*)/i.exec(arg)?.[1];
    if (flag === undefined || flags.includes(flag)) continue;
    const meant = nearest(flag.toLowerCase(), flags);
    if (meant !== undefined) sentences.push(`Did you mean: --${meant}`);
  }
  return sentences.join('\n');
}
