import { expect, test } from '@jest/globals';
import type { Container, Node, Pod } from '../../../../proto/api/core-v1.ts';
import { byResizeOrder, decideResize, type PendingResize, type ResizeRules } from './resize-decision.ts';

const NODE = { metadata: {}, spec: {}, status: { allocatable: { cpu: '4', memory: '1000' } } } as Node;
const RULES: ResizeRules = { staticCpus: false, staticMemory: false, swap: false };

interface Asked {
  cpu?: string;
  memory?: string;
  guaranteed?: boolean;
  resizePolicy?: Container['resizePolicy'];
  priority?: number;
  static?: boolean;
}

function pod(
  name: string,
  { cpu = '1', memory = '100', guaranteed, resizePolicy, priority, ...more }: Asked = {},
): Pod {
  const requests = { cpu, memory };
  const resources = guaranteed === true ? { requests, limits: requests } : { requests };
  const annotations: Record<string, string> = more.static === true ? { 'kubernetes.io/config.source': 'file' } : {};
  return {
    metadata: { name, uid: name, annotations },
    spec: { priority, containers: [{ name: 'c', resources, resizePolicy }] },
  };
}

function decide(desired: Asked, more: { was?: Asked; others?: Asked[]; rules?: Partial<ResizeRules> } = {}): string {
  const others = (more.others ?? []).map((asked, i) => pod(`other${i}`, asked));
  const was = { ...desired, cpu: '1', memory: '100', ...more.was };
  const rules = { ...RULES, ...more.rules };
  const decision = decideResize({ desired: pod('p', desired), allocated: pod('p', was), others, node: NODE, rules });
  return decision.kind === 'allocate' ? 'allocate' : `${decision.reason}: ${decision.message}`;
}

const RESTART = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
const SWAP = { rules: { swap: true } };
const STATIC = { rules: { staticCpus: true, staticMemory: true } };
const ALONGSIDE = 'Infeasible: Resize is infeasible for Guaranteed Pods alongside';

test.each<[string, Asked, Parameters<typeof decide>[1], string]>([
  ['there is room', { cpu: '4' }, {}, 'allocate'],
  ['exactly what is left', { cpu: '3' }, { others: [{ cpu: '1' }] }, 'allocate'],
  [
    'more than is left',
    { cpu: '3100m' },
    { others: [{ cpu: '1' }] },
    "Deferred: Node didn't have enough resource: cpu, requested: 3100, used: 1000, capacity: 4000",
  ],
  [
    'memory that others have',
    { memory: '950' },
    { others: [{}] },
    "Deferred: Node didn't have enough resource: memory, requested: 950, used: 100, capacity: 1000",
  ],
  [
    'more than the node has',
    { cpu: '5' },
    {},
    "Infeasible: Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000",
  ],
  [
    'both: memory is told',
    { cpu: '5', memory: '1001' },
    {},
    "Infeasible: Node didn't have enough capacity: memory, requested: 1001, capacity: 1000",
  ],
  ['less, on a node that is too full', { cpu: '500m' }, { others: [{ cpu: '4' }] }, 'allocate'],
  ['a static pod', { cpu: '2', static: true }, {}, 'Infeasible: In-place resize of static-pods is not supported'],
  [
    'memory with swap',
    { memory: '200' },
    SWAP,
    'Infeasible: In-place resize of containers with swap is not supported.',
  ],
  ['cpu with swap', { cpu: '2' }, SWAP, 'allocate'],
  ['memory with swap and a restart', { memory: '200', resizePolicy: RESTART }, SWAP, 'allocate'],
  ['a guaranteed pod does not swap', { memory: '200', guaranteed: true }, SWAP, 'allocate'],
  ['static cpus', { cpu: '2', guaranteed: true }, STATIC, `${ALONGSIDE} CPU Manager policy "static"`],
  ['static memory', { memory: '200', guaranteed: true }, STATIC, `${ALONGSIDE} Memory Manager policy "Static"`],
  ['static cpus, another class', { cpu: '2' }, STATIC, 'allocate'],
])('decideResize(): %s', (_name, desired, more, want) => {
  expect(decide(desired, more)).toBe(want);
});

test('byResizeOrder(): what gives back goes first, then priority, class and age', () => {
  const pending = (name: string, asked: Asked, sinceMs: number): PendingResize => ({
    desired: pod(name, { cpu: '2', ...asked }),
    allocated: pod(name, { ...asked, cpu: '1' }),
    sinceMs,
  });
  const all = [
    pending('young', {}, 9),
    pending('old', {}, 1),
    pending('guaranteed', { guaranteed: true }, 5),
    pending('important', { priority: 10 }, 8),
    pending('less', { cpu: '500m' }, 7),
  ];
  expect(all.sort(byResizeOrder).map(({ desired }) => desired.metadata.name)).toEqual([
    'less',
    'important',
    'guaranteed',
    'old',
    'young',
  ]);
});
