/** A network namespace of a test's own. Needs root. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll } from '@jest/globals';

/** Words that run a command in a namespace that lives as long as the test file. */
export function ownNamespace(name: string): readonly string[] {
  const namespace = `node-iptables-${name}-${process.pid}`;
  beforeAll(() => void execFileSync('ip', ['netns', 'add', namespace]));
  afterAll(() => void execFileSync('ip', ['netns', 'del', namespace]));
  return ['nsenter', `--net=/run/netns/${namespace}`];
}
