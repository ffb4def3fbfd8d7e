/** Whether changes of rules are noticed, in a network namespace of its own. Needs root. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RuleEvents } from './rule-events.ts';
import { runCommand } from './run-command.ts';

const NAMESPACE = `re${process.pid}`;
const prefix = ['nsenter', `--net=/run/netns/${NAMESPACE}`];

beforeAll(() => runCommand(['ip', 'netns', 'add', NAMESPACE]));
afterAll(() => runCommand(['ip', 'netns', 'del', NAMESPACE]));

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise(resolve => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}

test('RuleEvents tells of every way to change rules, and is silent else', async () => {
  const events = new RuleEvents({ prefix });
  const stop = new AbortController();
  let count = 0;
  events.onChange(() => count++);
  const running = events.run(stop.signal);
  try {
    await until(() => events.watching);
    // It may have begun to watch a moment later than its process began.
    for (let i = 0; i < 100 && count === 0; i++) {
      await runCommand([...prefix, 'nft', 'add', 'table', 'ip', 't']);
      await runCommand([...prefix, 'nft', 'delete', 'table', 'ip', 't']);
    }
    for (const command of [
      'nft add table ip k8ts-proxy',
      'nft flush ruleset',
      'iptables-nft -t nat -A OUTPUT -j RETURN',
      'ip6tables-nft -t nat -A OUTPUT -j RETURN',
      'iptables-nft -t nat -F',
    ]) {
      await new Promise(resolve => setTimeout(resolve, 50));
      const before = count;
      await runCommand([...prefix, ...command.split(' ')]);
      await until(() => count > before);
    }
    await new Promise(resolve => setTimeout(resolve, 100));
    const before = count;
    await runCommand([...prefix, 'nft', 'list', 'ruleset']);
    await runCommand([...prefix, 'iptables-nft', '-S']);
    await new Promise(resolve => setTimeout(resolve, 100));
    expect(count).toBe(before);
  } finally {
    stop.abort();
    await running;
  }
  expect(events.watching).toBe(false);
});

test('RuleEvents goes on after a rule of IPv6 that the command cannot print', async () => {
  const events = new RuleEvents({ prefix });
  const stop = new AbortController();
  let count = 0;
  events.onChange(() => count++);
  const running = events.run(stop.signal);
  try {
    await until(() => events.watching);
    const rule = [
      'ip6tables-nft',
      '-t',
      'mangle',
      '-A',
      'FORWARD',
      '-p',
      'tcp',
      '-m',
      'tcp',
      '--dport',
      '80',
      '-j',
      'DROP',
    ];
    // The second one is told of by whoever watches after the first one ended that.
    for (let i = 0; i < 2; i++) {
      const before = count;
      for (let tries = 0; tries < 100 && count === before; tries++) {
        await runCommand([...prefix, ...rule]);
        await new Promise(resolve => setTimeout(resolve, 100));
      }
      expect(count).toBeGreaterThan(before);
      await until(() => events.watching);
    }
  } finally {
    stop.abort();
    await running;
  }
});

test('RuleEvents does not watch where the command is missing', async () => {
  const events = new RuleEvents({ prefix: [...prefix, 'env', 'PATH=/nowhere'] });
  const stop = new AbortController();
  const ended = new Promise<void>(resolve => events.onChange(resolve));
  const running = events.run(stop.signal);
  await ended;
  expect(events.watching).toBe(false);
  stop.abort();
  await running;
});
