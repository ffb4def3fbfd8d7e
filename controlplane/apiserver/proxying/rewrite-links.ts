/**
 * HTML of a pod or service that is seen through a proxy path: links that start at the root of its server would miss the proxy, so they get
 * the path prepended. Everything else stays byte for byte.
 *
 * - Text comes in pieces; a tag that is cut in two waits for its end.
 * - What stands in comments, scripts and style sheets is no link.
 * Source: Kubernetes `apimachinery/pkg/util/proxy/transport.go`, 1.36.
 */
import { Transform } from 'node:stream';

/** Attributes that hold a URL, by element. */
const LINKS: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap', 'formaction'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
};
/** Their content is text up to their own end tag. */
const RAW = new Set(['script', 'style', 'textarea', 'title', 'xmp', 'iframe', 'noembed', 'noframes', 'noscript']);
/** A "tag" that goes on for longer is none; it passes as it is. */
const MAX_TAG = 16 * 1024;

export interface LinkRewrite {
  /** Path of this server behind which the other server's paths begin; no slash at its end. */
  readonly prefix: string;
  /** What the client calls this server, as in a Host header. */
  readonly host: string | undefined;
  /** What this server calls the one behind, likewise. */
  readonly backend: string;
}

/** The link as it works through the proxy; the same text if it needs no change. */
export function rewriteLink(link: string, { prefix, host, backend }: LinkRewrite): string {
  const [, authority, path = ''] = /^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?\/\/([^/?#]*)([^]*)$/.exec(link) ?? [];
  if (authority === undefined) return link.startsWith('/') && !isBelow(link, prefix) ? `${prefix}${link}` : link;
  if (authority !== backend && authority !== host) return link;
  // Without scheme and host the client stays on the server that it asked.
  return isBelow(path, prefix) ? path : `${prefix}${path.startsWith('/') ? '' : '/'}${path}`;
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

/** Bytes of HTML in, bytes of HTML out, in any encoding that is a superset of ASCII. */
export function rewriteLinks(rewrite: LinkRewrite): Transform {
  const state = { held: '', rawElement: '' };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      // latin1 keeps each byte as it is.
      done(undefined, Buffer.from(consume(state, chunk.toString('latin1'), rewrite), 'latin1'));
    },
    flush(done) {
      done(undefined, Buffer.from(state.held, 'latin1'));
    },
  });
}

/** @returns the finished part of `state.held + text`; the rest is held */
function consume(state: { held: string; rawElement: string }, text: string, rewrite: LinkRewrite): string {
  const html = state.held + text;
  let out = '';
  let at = 0;
  for (;;) {
    const begin = nextMarkup(html, at, state.rawElement);
    if (begin === -1) {
      const keep = state.rawElement === '' ? html.length : Math.max(at, html.length - state.rawElement.length - 2);
      state.held = html.slice(keep);
      return out + html.slice(at, keep);
    }
    const end = markupEnd(html, begin);
    if (end === -1) {
      const keep = html.length - begin > MAX_TAG ? html.length : begin;
      state.held = html.slice(keep);
      return out + html.slice(at, keep);
    }
    const name = /^<([a-zA-Z][^\s/>]*)/.exec(html.slice(begin, Math.min(end, begin + 32)))?.[1]?.toLowerCase() ?? '';
    const tag = html.slice(begin, end);
    out += html.slice(at, begin) + (name in LINKS ? rewriteTag(tag, LINKS[name] ?? [], rewrite) : tag);
    state.rawElement = RAW.has(name) ? name : '';
    at = end;
  }
}

/** In raw text only its own end tag counts. */
function nextMarkup(html: string, from: number, rawElement: string): number {
  if (rawElement === '') return html.indexOf('<', from);
  const match = new RegExp(`</${rawElement}`, 'i').exec(html.slice(from));
  return match === null ? -1 : from + match.index;
}

/** Index behind the tag or comment; -1 while its end is not there. */
function markupEnd(html: string, begin: number): number {
  if ('<!--'.startsWith(html.slice(begin, begin + 4)) && html.length - begin < 4) return -1;
  if (html.startsWith('<!--', begin)) {
    const close = html.indexOf('-->', begin + 4);
    return close === -1 ? -1 : close + 3;
  }
  const next = html[begin + 1];
  if (next === undefined) return -1;
  // A lonely `<` is text.
  if (!/[a-zA-Z/!?]/.test(next)) return begin + 1;
  let quote = '';
  for (let i = begin + 1; i < html.length; i++) {
    const c = html[i] ?? '';
    if (quote !== '') quote = c === quote ? '' : quote;
    else if ((c === '"' || c === "'") && /=\s*$/.test(html.slice(Math.max(begin, i - 16), i))) quote = c;
    else if (c === '>') return i + 1;
  }
  return -1;
}

function rewriteTag(tag: string, attributes: readonly string[], rewrite: LinkRewrite): string {
  return tag.replace(
    /(?<=[\s"'/])([^\s"'<>/=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/g,
    (whole: string, name: string, equals: string, value: string) => {
      if (!attributes.includes(name.toLowerCase())) return whole;
      const quote = value.startsWith('"') || value.startsWith("'") ? value.slice(0, 1) : '';
      const link = quote === '' ? value : value.slice(1, -1);
      return `${name}${equals}${quote}${rewriteLink(link, rewrite)}${quote}`;
    },
  );
}
