import { describe, expect, test } from '@jest/globals';
import type { DaemonSet, DaemonSetUpdateStrategy } from '../../../../proto/api/apps-v1.ts';
import type { Node, Pod, Taint } from '../../../../proto/api/core-v1.ts';
import { REVISION_LABEL } from '../../runtime/plan/revisions.ts';
import { daemonView, planDaemons, planDaemonStatus } from './daemon-plan.ts';
import { daemonPod, fitOf, podTemplateOf, targetNode } from './nodes.ts';

const NOW_MS = Date.parse('2026-01-01T00:10:00Z');

const set = (
  updateStrategy?: DaemonSetUpdateStrategy,
  spec: Partial<Pod['spec']> = {},
  minReadySeconds = 0,
): DaemonSet => ({
  metadata: { name: 'ds', namespace: 'default', uid: 'u', generation: 2 },
  spec: {
    selector: { matchLabels: { app: 'x' } },
    template: { metadata: { labels: { app: 'x' } }, spec: { containers: [], ...spec } },
    updateStrategy,
    minReadySeconds,
  },
});
const node = (name: string, taints: Taint[] = [], labels: Record<string, string> = {}): Node => ({
  metadata: { name, labels },
  spec: { taints },
});
const taint = (effect: string, key = 'k'): Taint => ({ key, effect });

/** `n1:new:ready`, `n2:old`, `n3:old:ready:deleting`, `n1:new:failed`. */
function pod(text: string, at = 0): Pod {
  const [nodeName = '', hash = '', ...more] = text.split(':');
  const ready = more.includes('ready');
  return {
    metadata: {
      name: `${text}-${at}`,
      labels: { [REVISION_LABEL]: hash },
      creationTimestamp: `2026-01-01T00:0${at}:00Z`,
      deletionTimestamp: more.includes('deleting') ? '2026-01-01T00:00:00Z' : undefined,
    },
    spec: { containers: [], nodeName },
    status: {
      phase: more.includes('failed') ? 'Failed' : 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:09:50Z' }],
    },
  };
}

function plan(subject: DaemonSet, nodes: Node[], ...pods: string[]) {
  const view = daemonView(subject, nodes, pods.map(pod), 'new', NOW_MS);
  const { create, delete: gone } = planDaemons(view);
  return { create, delete: gone.map(each => each.metadata.name?.replace(/-\d$/, '')).sort() };
}

describe('planDaemons()', () => {
  const three = [node('n1'), node('n2'), node('n3')];
  const rolling = (maxUnavailable: number | string, maxSurge: number | string = 0) =>
    set({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable, maxSurge } });

  test('makes what is missing, and deletes what is too much or where it does not belong', () => {
    const nodes = [node('n1'), node('n2', [taint('NoSchedule')]), node('n3', [taint('NoExecute')]), node('n4')];
    expect(plan(set(), nodes, 'n2:new:ready', 'n3:new:ready', 'n4:new:ready', 'n4:new')).toEqual({
      create: ['n1'],
      delete: ['n3:new:ready', 'n4:new'],
    });
  });

  test('makes a failed pod anew, and nothing where one still ends', () => {
    expect(plan(set(), three, 'n1:new:failed', 'n2:new:deleting', 'n3:new:ready')).toEqual({
      create: [],
      delete: ['n1:new:failed'],
    });
  });

  test('makes a pod beside one that has ended and is kept from going', () => {
    expect(plan(set(), [node('n1')], 'n1:new:failed:deleting')).toEqual({ create: ['n1'], delete: [] });
  });

  test('a pod without a node of a node that is gone goes', () => {
    const lost = { ...daemonPod(set(), 'gone', 'new'), metadata: { name: 'lost' } };
    const view = daemonView(set(), three, [lost], 'new', NOW_MS);
    expect(planDaemons(view).delete.map(each => each.metadata.name)).toEqual(['lost']);
  });

  test('rolls one after the other', () => {
    expect(plan(rolling(1), three, 'n1:old:ready', 'n2:old:ready', 'n3:old:ready').delete).toEqual(['n1:old:ready']);
    expect(plan(rolling(1), three, 'n1:new', 'n2:old:ready', 'n3:old:ready').delete).toEqual([]);
    expect(plan(rolling(1), three, 'n1:new:ready', 'n2:old:ready', 'n3:old:ready').delete).toEqual(['n2:old:ready']);
  });

  test('what does not serve goes at once', () => {
    expect(plan(rolling(1), three, 'n1:old', 'n2:old', 'n3:old:ready').delete).toEqual(['n1:old', 'n2:old']);
  });

  test('percentages round up', () => {
    expect(plan(rolling('34%'), three, 'n1:old:ready', 'n2:old:ready', 'n3:old:ready').delete.length).toBe(2);
  });

  test('with surge new pods come first', () => {
    const surge = rolling(0, 1);
    const before = plan(surge, three, 'n1:old:ready', 'n2:old:ready', 'n3:old:ready');
    expect(before).toEqual({ create: ['n1'], delete: [] });
    expect(plan(surge, three, 'n1:old:ready', 'n1:new', 'n2:old:ready', 'n3:old:ready')).toEqual({
      create: [],
      delete: [],
    });
    expect(plan(surge, three, 'n1:old:ready', 'n1:new:ready', 'n2:old:ready', 'n3:old:ready')).toEqual({
      create: ['n2'],
      delete: ['n1:old:ready'],
    });
    expect(plan(surge, three, 'n1:old', 'n2:old:ready', 'n3:new:ready')).toEqual({ create: ['n1', 'n2'], delete: [] });
    // An old pod that does not serve need not wait for the new one; one that ends is waited for.
    expect(plan(surge, three, 'n1:old', 'n1:new', 'n2:new:ready', 'n3:new:ready').delete).toEqual(['n1:old']);
    expect(plan(surge, three, 'n1:old:deleting', 'n2:new:ready', 'n3:new:ready').create).toEqual([]);
  });

  test('OnDelete leaves old pods alone', () => {
    expect(plan(set({ type: 'OnDelete' }), three, 'n1:old:ready', 'n2:old:ready', 'n3:old')).toEqual({
      create: [],
      delete: [],
    });
  });
});

test('planDaemonStatus() counts nodes', () => {
  const nodes = [node('n1'), node('n2'), node('n3'), node('n4', [taint('NoSchedule')])];
  const pods = ['n1:new:ready', 'n2:old:ready', 'n4:new'].map(pod);
  expect(planDaemonStatus(daemonView(set(), nodes, pods, 'new', NOW_MS))).toEqual({
    status: {
      desiredNumberScheduled: 3,
      currentNumberScheduled: 2,
      numberMisscheduled: 1,
      numberReady: 2,
      numberAvailable: 2,
      numberUnavailable: 1,
      updatedNumberScheduled: 1,
      observedGeneration: 2,
    },
    afterMs: undefined,
  });
  const surging = daemonView(set(), [node('n1')], [pod('n1:old:ready', 0), pod('n1:new', 1)], 'new', NOW_MS);
  expect(planDaemonStatus(surging).status).toMatchObject({ numberAvailable: 1, updatedNumberScheduled: 0 });
  const slow = planDaemonStatus(daemonView(set(undefined, {}, 15), nodes, pods, 'new', NOW_MS));
  expect(slow).toMatchObject({ status: { numberReady: 2, numberAvailable: 0 }, afterMs: 5000 });
});

describe('fitOf()', () => {
  test.each<[string, Node, Partial<Pod['spec']>, boolean, boolean]>([
    ['any node', node('n1'), {}, true, true],
    ['one that is cordoned', node('n1', [taint('NoSchedule', 'node.kubernetes.io/unschedulable')]), {}, true, true],
    ['one that is silent', node('n1', [taint('NoExecute', 'node.kubernetes.io/unreachable')]), {}, true, true],
    ['a tainted one', node('n1', [taint('NoSchedule')]), {}, false, true],
    ['one that throws out', node('n1', [taint('NoExecute')]), {}, false, false],
    ['one with the label', node('n1', [], { a: 'b' }), { nodeSelector: { a: 'b' } }, true, true],
    ['one without the label', node('n1'), { nodeSelector: { a: 'b' } }, false, false],
    ['another node', node('n1'), { nodeName: 'n2' }, false, false],
  ])('%s', (_name, subject, spec, shouldRun, shouldContinue) => {
    expect(fitOf(podTemplateOf(set(undefined, spec)), subject)).toEqual({ shouldRun, shouldContinue });
  });
});

test('daemonPod() is for one node, and says of which revision it is', () => {
  const made = daemonPod(set(undefined, { hostNetwork: true }), 'n1', 'h');
  expect(targetNode(made)).toBe('n1');
  expect(made.metadata.labels).toEqual({ app: 'x', [REVISION_LABEL]: 'h' });
  expect(made.spec.tolerations?.map(t => t.key)).toContain('node.kubernetes.io/network-unavailable');
});
