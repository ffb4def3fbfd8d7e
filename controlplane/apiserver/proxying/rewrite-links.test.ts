import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rewriteLink, rewriteLinks } from './rewrite-links.ts';

const prefix = '/api/v1/namespaces/n/pods/p/proxy';
const rewrite = { prefix, host: 'server:6443', backend: '10.0.0.1:80' };

describe('rewriteLink()', () => {
  test.each([
    ['/rewriteme', `${prefix}/rewriteme`],
    ['/', `${prefix}/`],
    ['/a?b=/c#d', `${prefix}/a?b=/c#d`],
    [`${prefix}/a`, `${prefix}/a`],
    ['a/b', 'a/b'],
    ['', ''],
    ['#top', '#top'],
    ['mailto:a@b', 'mailto:a@b'],
    ['http://10.0.0.1:80/a/', `${prefix}/a/`],
    ['//10.0.0.1:80', `${prefix}/`],
    ['https://server:6443/a', `${prefix}/a`],
    [`https://server:6443${prefix}/a`, `${prefix}/a`],
    ['http://elsewhere/a', 'http://elsewhere/a'],
  ])('%s becomes %s', (link, want) => {
    expect(rewriteLink(link, rewrite)).toBe(want);
  });
});

async function through(...pieces: string[]): Promise<string> {
  const stream = rewriteLinks(rewrite);
  for (const piece of pieces) stream.write(Buffer.from(piece));
  stream.end();
  return Buffer.concat((await stream.toArray()) as Buffer[]).toString();
}

const page = `<!DOCTYPE html><!-- <a href="/no"> --><html><head><link rel=x href='/style.css'><script src="/s.js">
if (1 < 2) document.write('<a href="/no">');</script><title><a href="/no"></title></head>
<body><p title="a > b" data-href="/no">1 < 2 é <A HREF = /plain class=y>x</A><img alt="=" src="/i.png"/><a href="http://elsewhere/">y</a></body></html>`;
const wanted = page
  .replace("'/style.css'", `'${prefix}/style.css'`)
  .replace('"/s.js"', `"${prefix}/s.js"`)
  .replace('/plain', `${prefix}/plain`)
  .replace('"/i.png"', `"${prefix}/i.png"`);

describe('rewriteLinks()', () => {
  test('changes links and nothing else', async () => {
    expect(await through(page)).toBe(wanted);
  });

  test('gives the same however the text is cut', async () => {
    const cut = fc.array(fc.nat(page.length), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(cut, async places => {
        const sorted = [0, ...places.sort((a, b) => a - b), page.length];
        const pieces = sorted.slice(1).map((end, i) => page.slice(sorted[i], end));
        expect(await through(...pieces)).toBe(wanted);
      }),
      { numRuns: 200 },
    );
  });

  test.each(['<', '<a href="/x', '<!-', '<script>/', '< b', '<a href="/x" <'])(
    'passes what never ends: %s',
    async text => {
      expect(await through(text)).toBe(text);
    },
  );
});
