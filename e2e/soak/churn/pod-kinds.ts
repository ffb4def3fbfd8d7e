/** The kinds of pods that the soak makes, each with what must have become of it once everything has settled. */
import { IDLE, pod, shell } from '../../suites/objects.ts';

type Json = Record<string, unknown>;

interface Terminated {
  readonly exitCode?: number;
  readonly reason?: string;
}

/** As much of a pod as is looked at. */
export interface PodSeen {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase?: string;
    readonly reason?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly state: { readonly waiting?: { readonly reason?: string }; readonly terminated?: Terminated };
    }[];
  };
}

export interface PodKind {
  /** Begins the names of its pods. */
  readonly name: string;
  make(name: string): Json;
  /** Undefined when the pod is as its spec asks for, else what is not. */
  problem(pod: PodSeen): string | undefined;
  /** Its main process may be killed at any time: the pod comes back. */
  readonly killable?: boolean;
}

const isTrue = (seen: PodSeen, type: string): boolean =>
  seen.status.conditions?.some(c => c.type === type && c.status === 'True') === true;

function running(seen: PodSeen): string | undefined {
  if (seen.status.phase !== 'Running') return `phase ${seen.status.phase}, not Running`;
  return isTrue(seen, 'Ready') ? undefined : 'not Ready';
}

function ended(phase: string, exitCode: number) {
  return (seen: PodSeen): string | undefined => {
    if (seen.status.phase !== phase) return `phase ${seen.status.phase}, not ${phase}`;
    const code = seen.status.containerStatuses?.[0]?.state.terminated?.exitCode;
    return code === exitCode ? undefined : `exit code ${code}, not ${exitCode}`;
  };
}

function restarting(seen: PodSeen): string | undefined {
  const [status] = seen.status.containerStatuses ?? [];
  return (status?.restartCount ?? 0) > 0 ? undefined : 'never restarted';
}

const never = { restartPolicy: 'Never' };
const probe = (action: Json, more: Json = {}): Json => ({ ...action, periodSeconds: 2, timeoutSeconds: 5, ...more });
const exec = (script: string): Json => ({ exec: { command: shell(script) } });
const http: Json = { httpGet: { port: 8080, path: '/' } };

/** ConfigMap and Secret that pods of kind `volumes` mount. */
export const SHARED_OBJECTS: readonly Json[] = [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'shared' }, data: { key: 'value' } },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'shared' }, stringData: { key: 'secret' } },
];

export const POD_KINDS: readonly PodKind[] = [
  { name: 'idle', make: name => pod(name, { command: IDLE }), problem: running, killable: true },
  {
    name: 'served',
    make: name => pod(name, { container: { readinessProbe: probe(http), livenessProbe: probe(http) } }),
    problem: running,
    killable: true,
  },
  {
    name: 'asked',
    make: name => pod(name, { command: IDLE, container: { readinessProbe: probe(exec('true')) } }),
    problem: running,
    killable: true,
  },
  {
    name: 'unready',
    make: name => pod(name, { command: IDLE, container: { readinessProbe: probe(exec('false')) } }),
    problem: seen =>
      seen.status.phase === 'Running' && !isTrue(seen, 'Ready') ? undefined : `phase ${seen.status.phase}, or Ready`,
  },
  { name: 'crashing', make: name => pod(name, { command: shell('sleep 1; exit 3') }), problem: restarting },
  {
    name: 'unhealthy',
    make: name =>
      pod(name, { command: IDLE, container: { livenessProbe: probe(exec('false'), { failureThreshold: 1 }) } }),
    problem: restarting,
  },
  {
    name: 'done',
    make: name => pod(name, { command: shell('sleep 1'), spec: never }),
    problem: ended('Succeeded', 0),
  },
  {
    name: 'failed',
    make: name => pod(name, { command: shell('sleep 1; exit 5'), spec: never }),
    problem: ended('Failed', 5),
  },
  {
    name: 'late',
    make: name => pod(name, { command: IDLE, spec: { activeDeadlineSeconds: 4 } }),
    problem: seen =>
      seen.status.reason === 'DeadlineExceeded' ? undefined : `reason ${seen.status.reason}, not DeadlineExceeded`,
  },
  {
    name: 'family',
    make: name => {
      const made = pod(name, { command: IDLE }) as { spec: { containers: [Json] } };
      const [main] = made.spec.containers;
      const first = { ...main, name: 'first', command: shell('true') };
      const side = { ...main, name: 'side', restartPolicy: 'Always' };
      return { ...made, spec: { ...made.spec, initContainers: [first, side] } };
    },
    problem: running,
  },
  {
    name: 'volumes',
    make: name => {
      const names = ['memory', 'disk', 'map', 'secret', 'about'];
      const check = 'grep -q value /map/key && grep -q secret /secret/key && test -s /about/name && echo x > /memory/x';
      const projected = {
        sources: [
          { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
          { serviceAccountToken: { path: 'token', expirationSeconds: 600 } },
        ],
      };
      return pod(name, {
        command: IDLE,
        container: {
          readinessProbe: probe(exec(check)),
          volumeMounts: names.map(volume => ({ name: volume, mountPath: `/${volume}` })),
        },
        spec: {
          volumes: [
            { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
            { name: 'disk', emptyDir: {} },
            { name: 'map', configMap: { name: 'shared' } },
            { name: 'secret', secret: { secretName: 'shared' } },
            { name: 'about', projected },
          ],
        },
      });
    },
    problem: running,
    killable: true,
  },
  {
    name: 'imageless',
    make: name => pod(name, { container: { image: 'registry.invalid/none:1' } }),
    problem: seen => {
      const reason = seen.status.containerStatuses?.[0]?.state.waiting?.reason ?? '';
      return ['ErrImagePull', 'ImagePullBackOff'].includes(reason) ? undefined : `waits for "${reason}", not its image`;
    },
  },
  {
    name: 'stubborn',
    make: name => pod(name, { command: shell('trap "" TERM; while :; do sleep 1; done') }),
    problem: running,
    killable: true,
  },
];

/** The kind of a pod, by its name. */
export function kindOf(seen: PodSeen): PodKind | undefined {
  return POD_KINDS.find(({ name }) => seen.metadata.name.startsWith(`${name}-`));
}
