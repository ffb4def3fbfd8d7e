/**
 * Whether a key of a docker config, or a `matchImages` pattern of a credential provider, is for an image.
 *
 * The host's parts match one by one, with globs inside a part; ports must be equal; the image's path must begin with the key's.
 * Source: kubernetes.io/docs, "Interpretation of config.json"; `pkg/credentialprovider/keyring.go` 1.36; Go `path/filepath.Match`.
 */

/** @param image `domain/path`, without tag and digest */
export function registryMatches(pattern: string, image: string): boolean {
  const [globHost, globPath] = cut(pattern);
  const [host, path] = cut(image);
  const [globName, globPort] = splitPort(globHost);
  const [name, port] = splitPort(host);
  if (globPort !== port || !path.startsWith(globPath)) return false;
  const globs = globName.split('.');
  const parts = name.split('.');
  return globs.length === parts.length && globs.every((glob, index) => globMatches(glob, parts[index] ?? ''));
}

/** Host, and the path with its slash. */
function cut(text: string): [string, string] {
  const slash = text.indexOf('/');
  return slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash)];
}

function splitPort(host: string): [string, string] {
  const colon = /:(\d*)$/.exec(host);
  return colon === null ? [host, ''] : [host.slice(0, colon.index), colon[1] ?? ''];
}

/** `*`, `?`, `[a-z]`, `[^a-z]` and backslash, as Go has them; a broken pattern matches nothing. */
function globMatches(glob: string, text: string): boolean {
  if (!/[*?[\\]/.test(glob)) return glob === text;
  const source = glob.replace(/\\(.)|\[(\^?)((?:\\.|[^\]\\])+)\]|([*?])|([^\w-])/gsu, (_, ...found: string[]) => {
    const [escaped, negated, set, wild, other] = found;
    if (escaped !== undefined) return literal(escaped);
    if (set !== undefined) return `[${negated ?? ''}${set.replaceAll('[', '\\[')}]`;
    if (wild !== undefined) return wild === '*' ? '.*' : '.';
    // A set without end.
    return other === '[' ? '(?!)' : literal(other ?? '');
  });
  try {
    return new RegExp(`^(?:${source})$`, 's').test(text);
  } catch {
    return false;
  }
}

function literal(char: string): string {
  return char.replace(/[.+*?^${}()|[\]\\]/g, '\\$&');
}
