/** Input for `ipset restore`. Each line stands alone: sets have no transactions; `swap` is what makes a change atomic. */
export type IpsetCommand =
  | { readonly kind: 'create'; readonly set: string; readonly type: string; readonly options?: readonly string[] }
  | { readonly kind: 'add' | 'del'; readonly set: string; readonly entry: string; readonly options?: readonly string[] }
  | { readonly kind: 'swap'; readonly set: string; readonly other: string }
  | { readonly kind: 'flush' | 'destroy'; readonly set: string };

/** @throws RangeError if a word is empty or holds a space or control character */
export function renderIpset(commands: readonly IpsetCommand[]): string {
  return commands.map(command => words(command).map(checked).join(' ') + '\n').join('');
}

function words(command: IpsetCommand): readonly string[] {
  switch (command.kind) {
    case 'create':
      return ['create', command.set, command.type, ...(command.options ?? [])];
    case 'add':
    case 'del':
      return [command.kind, command.set, command.entry, ...(command.options ?? [])];
    case 'swap':
      return ['swap', command.set, command.other];
    case 'flush':
    case 'destroy':
      return [command.kind, command.set];
  }
}

function checked(text: string): string {
  if (!/^[\u0021-\u007e]+$/.test(text)) throw new RangeError(`${JSON.stringify(text)} is no word for ipset`);
  return text;
}
