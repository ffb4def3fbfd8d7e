import { describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from './clock.ts';
import type { Component } from './component.ts';
import { TextLogger } from './create-logger.ts';
import { HealthChecks } from './health.ts';
import { silentLogger } from './logger.ts';
import { MetricsRegistry } from './metrics.ts';
import { runComponents } from './run-components.ts';
import { writeFileAtomic } from './write-file-atomic.ts';

function part(name: string, log: string[], more: { failing?: Promise<never>; hangs?: boolean } = {}): Component {
  return {
    name,
    ready: async () => void log.push(`${name} ready`),
    run: async signal => {
      log.push(`${name} runs`);
      const stopped = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()));
      await Promise.race([
        more.hangs === true ? new Promise<never>(() => undefined) : stopped,
        ...(more.failing ? [more.failing] : []),
      ]);
      log.push(`${name} stopped`);
    },
  };
}

describe('runComponents()', () => {
  test('starts in order and stops in reverse order', async () => {
    const [clock, log, stop] = [new FakeClock(), [] as string[], new AbortController()];
    const components = [part('a', log), part('b', log)];
    const run = runComponents({ components, clock, logger: silentLogger, onReady: () => log.push('up') }, stop.signal);
    await clock.advance(0);
    stop.abort();
    await run;
    expect(log).toEqual(['a runs', 'a ready', 'b runs', 'b ready', 'up', 'b stopped', 'a stopped']);
  });

  test('stops everything and names the part that failed', async () => {
    const [clock, log] = [new FakeClock(), [] as string[]];
    let break_: (error: Error) => void = () => undefined;
    const failing = new Promise<never>((_resolve, reject) => (break_ = reject));
    const components = [part('a', log), part('b', log, { failing })];
    const run = runComponents({ components, clock, logger: silentLogger }, new AbortController().signal);
    const outcome = expect(run).rejects.toThrow('b: port taken');
    await clock.advance(0);
    break_(new Error('port taken'));
    await outcome;
    expect(log).toContain('a stopped');
  });

  test('goes on without a part that does not stop', async () => {
    const [clock, log, stop] = [new FakeClock(), [] as string[], new AbortController()];
    const components = [part('a', log), part('b', log, { hangs: true })];
    const run = runComponents({ components, clock, logger: silentLogger, stopDeadlineMs: 100 }, stop.signal);
    await clock.advance(0);
    stop.abort();
    await clock.advance(100);
    await run;
    expect(log.at(-1)).toBe('a stopped');
  });
});

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

test('HealthChecks say what is not well', async () => {
  const checks = new HealthChecks();
  checks.add('ping', () => undefined);
  checks.add('store', () => Promise.reject(new Error('disk full')));
  expect(await checks.run('readyz')).toEqual({
    ok: false,
    text: '[+]ping ok\n[-]store failed: disk full\nreadyz check failed\n',
  });
  expect((await checks.run('readyz', new Set(['store']))).ok).toBe(true);
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
