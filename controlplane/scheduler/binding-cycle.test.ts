import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { StatusError } from '../../machinery/meta/status-error.ts';
import { systemClock as clock } from '../../machinery/process/clock.ts';
import { silentLogger as logger } from '../../machinery/process/logger.ts';
import { BindingCycle } from './binding-cycle.ts';
import { settingsOf, withDefaults } from './config/plan/settings.ts';
import { HttpExtender } from './extenders/http-extender.ts';
import { CycleState } from './framework/cycle-state.ts';
import type { Plugin } from './framework/framework.ts';
import { placePlugins } from './framework/profile.ts';
import type { Placement } from './framework/run-reserve.ts';
import { WaitingPods } from './framework/waiting-pods.ts';
import { OneScheduler } from './testdata/one-scheduler.ts';

test('an extender that binds slowly keeps nobody else from being bound', async () => {
  const one = await OneScheduler.serve();
  const stop = new AbortController();
  let isAsked: () => void = () => undefined;
  const asked = new Promise<void>(resolve => (isAsked = resolve));
  const server = createServer(() => isAsked());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  try {
    const urlPrefix = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const managedResources = [{ name: 'example.com/x', ignoredByScheduler: true }];
    const slow = { urlPrefix, bindVerb: 'bind', managedResources, httpTimeout: '1h' };
    const { extenders } = settingsOf(withDefaults({ extenders: [slow] }));
    const cycle = new BindingCycle({
      ...{ client: one.client, clock, logger, waitingPods: new WaitingPods(clock) },
      extenders: extenders.map(each => new HttpExtender(each)),
    });
    let refuse: () => void = () => undefined;
    const binder: Plugin = {
      name: 'Binder',
      bind: () => new Promise((_, reject) => (refuse = () => reject(new StatusError('Forbidden', 403, 'no')))),
    };
    const plugins = placePlugins({ schedulerName: 's', multiPoint: [{ name: 'Binder' }] }, () => binder);
    const placed = (requests: Record<string, string>): Placement => {
      const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', resources: { requests } }] } };
      return { plugins, state: new CycleState(), pod, nodeName: 'a' };
    };
    const theirs = cycle.bind(placed({ 'example.com/x': '1' }), stop.signal);
    await asked;
    expect(cycle.binding).toBe(0);
    const ours = cycle.bind(placed({}), stop.signal);
    expect(cycle.binding).toBe(1);
    refuse();
    expect(await ours).toMatchObject({ kind: 'failed' });
    expect(cycle.binding).toBe(0);
    stop.abort();
    expect(await theirs).toMatchObject({ kind: 'failed' });
    expect(cycle.binding).toBe(0);
  } finally {
    server.closeAllConnections();
    server.close();
    await one.close();
  }
});
