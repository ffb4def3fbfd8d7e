import { expect, test } from '@jest/globals';
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TextLogger } from './create-logger.ts';
import { MetricsRegistry } from './metrics.ts';
import { writeFileAtomic } from './write-file-atomic.ts';

test('writeFileAtomic() writes the mode it was told, makes folders and leaves nothing beside', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'k8ts-process-'));
  const path = join(folder, 'a', 'b.txt');
  await writeFileAtomic(path, 'one');
  await writeFileAtomic(path, 'two', 0o640);
  expect([await readFile(path, 'utf8'), (await stat(path)).mode & 0o777]).toEqual(['two', 0o640]);
  expect(await readdir(join(folder, 'a'))).toEqual(['b.txt']);
  await rm(folder, { recursive: true });
});

test('MetricsRegistry renders what Prometheus reads', () => {
  const registry = new MetricsRegistry();
  registry.counter('c_total', 'Counts.', ['a']).inc(['x"y']);
  registry.counter('c_total', 'Counts.', ['a']).inc(['x"y'], 2);
  registry.histogram('h', 'Spreads.', [], [1, 2]).observe(1);
  registry.histogram('h', 'Spreads.', [], [1, 2]).observe(3);
  const gauge = registry.gauge('g', 'Goes up and down.');
  registry.onScrape(() => gauge.set(7));
  expect(registry.render()).toBe(
    '# HELP c_total Counts.\n# TYPE c_total counter\nc_total{a="x\\"y"} 3\n' +
      '# HELP h Spreads.\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="2"} 1\nh_bucket{le="+Inf"} 2\nh_sum 4\nh_count 2\n' +
      '# HELP g Goes up and down.\n# TYPE g gauge\ng 7\n',
  );
});

test('TextLogger blanks secrets and shows causes', () => {
  const lines: string[] = [];
  const logger = new TextLogger(1, line => lines.push(line.slice(25)), '').child({ part: 'x' });
  logger.debug({}, 'hidden');
  logger.warn({ token: 'abc', inner: { password: 'p' }, err: new Error('a', { cause: new Error('b') }) }, 'It broke');
  expect(lines).toEqual([
    'WARN  It broke part=x token=[redacted] inner={"password":"[redacted]"} err="a (because: b)"\n',
  ]);
});
