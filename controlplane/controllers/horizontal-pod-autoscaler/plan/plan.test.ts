import { describe, expect, test } from '@jest/globals';
import type { HorizontalPodAutoscalerSpec, HPAScalingRules, MetricSpec } from '../../../../proto/api/autoscaling-v2.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import type { PodMetrics } from '../../../../proto/api/metrics-metrics-v1beta1.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import { HpaStatus } from './hpa-status.ts';
import { planMetrics, type MetricsInput } from './metrics-plan.ts';
import { normalize } from './normalize.ts';
import { newHistory, withRecommendation, withScale, type ScalingHistory } from './scaling-history.ts';

const NOW_MS = Date.UTC(2026, 0, 1, 12);
const agoText = (seconds: number): string => formatTime(NOW_MS - seconds * 1000);

interface PodOptions {
  readonly request?: string | undefined;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly startedSecondsAgo?: number;
  readonly readySecondsAgo?: number;
  readonly deleting?: boolean;
}

function pod(name: string, options: PodOptions = {}): Pod {
  const { request = '100m', phase = 'Running', ready = true, startedSecondsAgo = 900 } = options;
  return {
    metadata: { name, ...(options.deleting === true ? { deletionTimestamp: agoText(1) } : {}) },
    spec: { containers: [{ name: 'main', resources: request === 'none' ? {} : { requests: { cpu: request } } }] },
    status: {
      phase,
      startTime: agoText(startedSecondsAgo),
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          lastTransitionTime: agoText(options.readySecondsAgo ?? startedSecondsAgo),
        },
      ],
    },
  } as Pod;
}

const usage = (name: string, cpu: string): PodMetrics => ({
  metadata: { name },
  timestamp: agoText(5),
  window: '15s',
  containers: [{ name: 'main', usage: { cpu, memory: '64Mi' } }],
});

const CPU = (averageUtilization: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

function plan(overrides: Partial<MetricsInput> & { metricSpecs?: MetricSpec[]; behavior?: unknown }) {
  const { metricSpecs = [CPU(50)], behavior, ...rest } = overrides;
  const spec = { maxReplicas: 10, metrics: metricSpecs, behavior } as unknown as HorizontalPodAutoscalerSpec;
  return planMetrics({
    spec,
    namespace: 'shop',
    currentReplicas: rest.pods?.length ?? 0,
    pods: [],
    metrics: [],
    nowMs: NOW_MS,
    ...rest,
  });
}

describe('planMetrics()', () => {
  const two = [pod('a'), pod('b')];
  test.each([
    { name: 'over the target grows', cpus: ['100m', '100m'], want: 4 },
    { name: 'under the target shrinks', cpus: ['20m', '20m'], want: 1 },
    { name: 'within the tolerance stays', cpus: ['54m', '54m'], want: 2 },
    { name: 'just beyond the tolerance grows', cpus: ['56m', '56m'], want: 3 },
    { name: 'a pod not heard of uses nothing on the way up', cpus: ['150m'], want: 3 },
    { name: 'a pod not heard of uses all that it asked for on the way down', cpus: ['10m'], want: 2 },
  ])('$name', ({ cpus, want }) => {
    const metrics = cpus.map((cpu, i) => usage(['a', 'b'][i] ?? '', cpu));
    const result = plan({ pods: two, metrics });
    expect(result.replicas).toBe(want);
    expect(result.metricName).toBe('cpu resource utilization (percentage of request)');
  });

  test.each([
    { name: 'pending', other: pod('b', { phase: 'Pending' }) },
    { name: 'not ready yet', other: pod('b', { ready: false, startedSecondsAgo: 60 }) },
    { name: 'ready for less than a window', other: pod('b', { startedSecondsAgo: 60, readySecondsAgo: 10 }) },
    { name: 'never ready', other: pod('b', { ready: false, startedSecondsAgo: 900, readySecondsAgo: 890 }) },
  ])('what a pod that is $name uses does not count', ({ other }) => {
    // 150 % of the first alone would be 3 for one ready pod; with nothing for the second it is 75 %, which is 1.5 of two.
    const metrics = [usage('a', '150m'), usage('b', '9000m')];
    expect(plan({ pods: [pod('a'), other], metrics }).replicas).toBe(3);
  });

  test('pods that end do not count at all', () => {
    const metrics = [usage('a', '100m'), usage('b', '100m')];
    expect(plan({ pods: [pod('a'), pod('b', { deleting: true })], metrics }).replicas).toBe(2);
  });

  test('averages, containers, and the status that is shown', () => {
    const metricSpecs: MetricSpec[] = [
      { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '32Mi' } } },
      {
        type: 'ContainerResource',
        containerResource: { name: 'cpu', container: 'main', target: { type: 'Utilization', averageUtilization: 100 } },
      },
    ];
    const result = plan({ metricSpecs, pods: two, metrics: [usage('a', '90m'), usage('b', '110m')] });
    expect(result).toMatchObject({ replicas: 4, metricName: 'memory resource', failures: [] });
    expect(result.statuses).toEqual([
      { type: 'Resource', resource: { name: 'memory', current: { averageValue: '67108864' } } },
      {
        type: 'ContainerResource',
        containerResource: {
          name: 'cpu',
          container: 'main',
          current: { averageUtilization: 100, averageValue: '100m' },
        },
      },
    ]);
  });

  test.each<{ name: string; given: Parameters<typeof plan>[0]; reason: string; message: string }>([
    {
      name: 'no metrics',
      given: { pods: two, metrics: [] },
      reason: 'FailedGetResourceMetric',
      message: 'unable to get metrics for resource cpu: no metrics returned from resource metrics API',
    },
    {
      name: 'the API does not answer',
      given: { pods: two, metrics: new Error('boom') },
      reason: 'FailedGetResourceMetric',
      message: 'unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: boom',
    },
    {
      name: 'no request',
      given: { pods: [pod('a', { request: 'none' })], metrics: [usage('a', '1m')] },
      reason: 'FailedGetResourceMetric',
      message: 'missing request for cpu in container main of Pod a',
    },
    {
      name: 'custom metrics',
      given: {
        pods: two,
        metrics: [usage('a', '1m')],
        metricSpecs: [
          { type: 'Pods', pods: { metric: { name: 'qps' }, target: { type: 'AverageValue', averageValue: '1' } } },
        ],
      },
      reason: 'FailedGetPodsMetric',
      message:
        'unable to get metric qps: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered',
    },
  ])('says why it does nothing: $name', ({ given, reason, message }) => {
    expect(plan(given)).toMatchObject({ replicas: undefined, failures: [{ reason, message }] });
  });

  test('a metric that fails lets the others grow the target, and never shrink it', () => {
    const external: MetricSpec = {
      type: 'External',
      external: { metric: { name: 'queue' }, target: { type: 'Value', value: '1' } },
    };
    const metricSpecs = [CPU(50), external];
    const at = (cpu: string) => plan({ metricSpecs, pods: two, metrics: [usage('a', cpu), usage('b', cpu)] });
    expect(at('100m')).toMatchObject({ replicas: 4, failures: [{ reason: 'FailedGetExternalMetric' }] });
    expect(at('10m')).toMatchObject({ replicas: undefined, failures: [{ reason: 'FailedGetExternalMetric' }] });
  });

  test('tolerances of the behaviour are taken', () => {
    const metrics = [usage('a', '100m'), usage('b', '100m')];
    const behavior = { scaleUp: { tolerance: '1' }, scaleDown: {} };
    expect(plan({ pods: two, metrics, behavior }).replicas).toBe(2);
  });
});

describe('normalize()', () => {
  const history = (current: number): ScalingHistory => newHistory(current, NOW_MS - 3_000_000);
  const run = (
    current: number,
    desired: number,
    rules: { scaleUp?: HPAScalingRules; scaleDown?: HPAScalingRules } | undefined = undefined,
    past: ScalingHistory = history(current),
  ) =>
    normalize({
      spec: { maxReplicas: 20, minReplicas: 2, behavior: rules } as unknown as HorizontalPodAutoscalerSpec,
      current,
      desired,
      history: past,
      nowMs: NOW_MS,
    });

  test.each([
    { current: 5, desired: 7, want: 7, reason: 'DesiredWithinRange' },
    { current: 5, desired: 12, want: 10, reason: 'ScaleUpLimit' },
    { current: 2, desired: 9, want: 4, reason: 'ScaleUpLimit' },
    { current: 15, desired: 30, want: 20, reason: 'TooManyReplicas' },
    { current: 5, desired: 1, want: 2, reason: 'TooFewReplicas' },
    { current: 5, desired: 5, want: 5, reason: 'DesiredWithinRange' },
  ])('without behaviour, $current to $desired is $want: $reason', ({ current, desired, want, reason }) => {
    const { replicas, limited } = run(current, desired);
    expect([replicas, limited.reason, limited.isLimited]).toEqual([want, reason, want !== desired]);
  });

  test('the highest recommendation of the last five minutes holds on the way down', () => {
    const past = withRecommendation(history(8), 7, NOW_MS - 299_000);
    expect(run(8, 3, undefined, past)).toMatchObject({ replicas: 7, able: { reason: 'ScaleDownStabilized' } });
    const older = withRecommendation(history(8), 7, NOW_MS - 300_000);
    expect(run(8, 3, undefined, older)).toMatchObject({ replicas: 3, able: { reason: 'ReadyForNewScale' } });
  });

  test('the lowest recommendation of the window holds on the way up', () => {
    const past = withRecommendation(history(5), 6, NOW_MS - 50_000);
    const scaleUp: HPAScalingRules = {
      stabilizationWindowSeconds: 60,
      selectPolicy: 'Max',
      policies: [{ type: 'Pods', value: 10, periodSeconds: 15 }],
    };
    expect(run(5, 9, { scaleUp }, past)).toMatchObject({ replicas: 6, able: { reason: 'ScaleUpStabilized' } });
  });

  const policies = [
    { type: 'Pods', value: 2, periodSeconds: 60 },
    { type: 'Percent', value: 50, periodSeconds: 60 },
  ];
  test.each([
    { select: 'Max', up: 15, down: 5 },
    { select: 'Min', up: 12, down: 8 },
    { select: 'Disabled', up: 10, down: 10 },
  ])('policies, $select: at most $up, at least $down of ten', ({ select, up, down }) => {
    const rules: HPAScalingRules = { selectPolicy: select, stabilizationWindowSeconds: 0, policies };
    const both = { scaleUp: rules, scaleDown: rules };
    expect(run(10, 20, both).replicas).toBe(up);
    expect(run(10, 2, both).replicas).toBe(down);
  });

  test('what changed within the period counts', () => {
    const rules: HPAScalingRules = {
      selectPolicy: 'Max',
      stabilizationWindowSeconds: 0,
      policies: [{ type: 'Pods', value: 4, periodSeconds: 60 }],
    };
    const past = withScale(history(7), 7, 10, NOW_MS - 30_000);
    expect(run(10, 20, { scaleUp: rules }, past).replicas).toBe(11);
    const down = withScale(history(10), 10, 6, NOW_MS - 30_000);
    expect(run(6, 2, { scaleDown: rules }, down)).toMatchObject({ replicas: 6, limited: { reason: 'ScaleDownLimit' } });
  });
});

test('HpaStatus keeps the time of a condition that did not turn', () => {
  const hpa = {
    metadata: { name: 'web', generation: 2 },
    spec: { maxReplicas: 1, scaleTargetRef: { kind: 'Deployment', name: 'web' } },
    status: {
      desiredReplicas: 1,
      conditions: [
        { type: 'AbleToScale', status: 'True' as const, reason: 'x', message: 'y', lastTransitionTime: 'then' },
      ],
    },
  };
  const status = new HpaStatus(hpa, NOW_MS);
  status.set('AbleToScale', true, 'SucceededGetScale', 'z');
  status.set('ScalingActive', false, 'FailedGetResourceMetric', 'w');
  expect(status.toStatus()).toMatchObject({
    observedGeneration: 2,
    conditions: [
      { type: 'AbleToScale', reason: 'SucceededGetScale', message: 'z', lastTransitionTime: 'then' },
      { type: 'ScalingActive', status: 'False', lastTransitionTime: formatTime(NOW_MS) },
    ],
  });
});

test.each([
  ['AbleToScale', false, 'FailedGetScale', 'internal'],
  ['ScalingActive', false, 'AmbiguousSelector', 'spec'],
  ['ScalingActive', false, 'ScalingDisabled', 'none'],
  ['ScalingLimited', false, 'DesiredWithinRange', 'none'],
] as const)('HpaStatus: the outcome of %s %s %s is the error %s', (type, isTrue, reason, error) => {
  const hpa = {
    metadata: { name: 'web' },
    spec: { maxReplicas: 1, scaleTargetRef: { kind: 'Deployment', name: 'web' } },
  };
  const status = new HpaStatus(hpa, NOW_MS);
  status.set(type, isTrue, reason, '');
  expect(status.outcome).toEqual({ action: 'none', error });
  status.desiredReplicas = 3;
  status.markScaled();
  expect(status.outcome.action).toBe('scale_up');
});
