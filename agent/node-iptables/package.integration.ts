/** The package as it would be published: compiled, without the tree around it, doing what its README shows. Needs root. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { ownNamespace } from './testdata/namespace.ts';

const here = import.meta.dirname;
const prefix = ownNamespace('package');
const dir = mkdtempSync(join(tmpdir(), 'node-iptables-'));
afterAll(() => rmSync(dir, { recursive: true }));

test('the tour of the README runs and prints what the README says', () => {
  const installed = join(dir, 'node_modules/node-iptables');
  mkdirSync(installed, { recursive: true });
  cpSync(join(here, 'package.json'), join(installed, 'package.json'));
  const tsc = join(here, '../../node_modules/typescript/bin/tsc');
  execFileSync('node', [tsc, '-p', join(here, 'tsconfig.build.json'), '--outDir', join(installed, 'dist')]);

  const readme = readFileSync(join(here, 'README.md'), 'utf8');
  const [, tour, printed] = /<!-- tour -->\s+```js\n(.*?)```.*?```text\n(.*?)```/s.exec(readme) ?? [];
  expect(tour).toBeDefined();
  writeFileSync(join(dir, 'tour.mjs'), tour ?? '');
  const [command = '', ...args] = [...prefix, 'node', join(dir, 'tour.mjs')];
  expect(execFileSync(command, args, { cwd: dir }).toString()).toBe(printed);
}, 60_000);
