/**
 * `$(NAME)` in commands, arguments and environment values. `$$` is a plain dollar; an unknown name stays as it is written.
 * Source: kubernetes/third_party/forked/golang/expansion; kubernetes.io/docs, "Define a Command and Arguments".
 */

/** @param lookup undefined: there is no such variable */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  if (!text.includes('$')) return text;
  let out = '';
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf('$', at);
    if (dollar < 0 || dollar === text.length - 1) return out + text.slice(at);
    out += text.slice(at, dollar);
    const next = text[dollar + 1];
    if (next === '$') {
      out += '$';
      at = dollar + 2;
      continue;
    }
    const close = next === '(' ? text.indexOf(')', dollar) : -1;
    if (close < 0) {
      // Upstream drops nothing: the dollar and what follows stay.
      out += text.slice(dollar, dollar + 2);
      at = dollar + 2;
      continue;
    }
    const name = text.slice(dollar + 2, close);
    out += lookup(name) ?? `$(${name})`;
    at = close + 1;
  }
  return out;
}
