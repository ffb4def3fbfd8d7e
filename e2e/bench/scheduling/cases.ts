/**
 * What is scheduled on 5,000 nodes: the workloads of upstream's scheduler_perf (test/integration/scheduler_perf), in the same shapes.
 * Upstream's floors are the thresholds that stand there, in pods a second.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';

export interface SchedulingCase {
  readonly name: string;
  /** Pods a second: upstream's own floor, where it names one, and what is wanted here. */
  readonly floor: number | undefined;
  readonly wanted: number | undefined;
  /** As a part of the pods that the run measures: what costs more is measured on less. */
  readonly part: number;
  readonly nodeCpu?: string;
  /** Of pods that are bound before; `i` counts them. */
  bound(i: number): PodShape;
  measured(i: number): PodShape;
}

export interface PodShape {
  readonly labels?: Record<string, string>;
  readonly spec?: Partial<Pod['spec']>;
}

const HOST = 'kubernetes.io/hostname';
const ZONE = 'topology.kubernetes.io/zone';
const PLAIN: PodShape = {};

function affinityTerm(color: string, topologyKey: string) {
  return { labelSelector: { matchLabels: { color } }, topologyKey };
}

function coloured(color: string, affinity?: Pod['spec']['affinity']): PodShape {
  return { labels: { color }, ...(affinity === undefined ? {} : { spec: { affinity } }) };
}

const nodeAffinity: PodShape = {
  spec: {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: ZONE, operator: 'In', values: ['zone-0', 'zone-1'] }] }],
        },
      },
    },
  },
};
const preferredAntiAffinity = coloured('yellow', {
  podAntiAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: affinityTerm('yellow', HOST) }],
  },
});
const requiredAntiAffinity = coloured('green', {
  podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [affinityTerm('green', HOST)] },
});
const requiredAffinity = coloured('blue', {
  podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [affinityTerm('blue', ZONE)] },
});
const spread: PodShape = {
  labels: { color: 'blue' },
  spec: {
    topologySpreadConstraints: [
      {
        maxSkew: 5,
        topologyKey: ZONE,
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { color: 'blue' } },
      },
    ],
  },
};

function important(priority: number, cpu: string): PodShape {
  const resources = { requests: { cpu, memory: '64Mi' } };
  // The API takes a priority from a class alone.
  const priorityClassName = priority > 0 ? PRIORITY_CLASS : undefined;
  return {
    spec: {
      ...(priorityClassName === undefined ? {} : { priorityClassName }),
      containers: [{ name: 'main', image: 'pause', resources }],
    },
  };
}

/** The class of the pods that preempt. */
export const PRIORITY_CLASS = 'bench-high';

export const CASES: readonly SchedulingCase[] = [
  { name: 'plain', floor: 680, wanted: 700, part: 1, bound: () => PLAIN, measured: () => PLAIN },
  { name: 'node affinity', floor: 220, wanted: 250, part: 1, bound: () => PLAIN, measured: () => nodeAffinity },
  {
    name: 'preferred anti-affinity',
    floor: 90,
    wanted: undefined,
    part: 0.5,
    bound: i => (i % 2 === 0 ? preferredAntiAffinity : PLAIN),
    measured: () => preferredAntiAffinity,
  },
  {
    name: 'required anti-affinity',
    floor: 60,
    wanted: 100,
    part: 0.25,
    bound: i => (i < 1000 ? requiredAntiAffinity : PLAIN),
    measured: () => requiredAntiAffinity,
  },
  {
    name: 'required affinity',
    floor: 35,
    wanted: 60,
    part: 0.25,
    bound: i => (i % 2 === 0 ? requiredAffinity : PLAIN),
    measured: () => requiredAffinity,
  },
  {
    name: 'topology spread',
    floor: undefined,
    wanted: 200,
    part: 0.5,
    bound: i => (i % 2 === 0 ? spread : PLAIN),
    measured: () => spread,
  },
  {
    name: 'preemption',
    floor: 570,
    wanted: 300,
    part: 0.25,
    // Two of them fill a node of 4; one of the measured takes the place of both.
    nodeCpu: '4',
    bound: () => important(0, '1900m'),
    measured: () => important(1000, '3'),
  },
];
