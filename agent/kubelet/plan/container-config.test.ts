import { describe, expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import {
  MountPropagation,
  NamespaceMode,
  Protocol,
  SecurityProfile_ProfileType,
} from '../../../proto/cri/runtime.gen.ts';
import { containerConfig, type ContainerConfigInput } from './container-config.ts';
import { ConfigError, containerEnvironment, environmentReferences, type EnvironmentSources } from './environment.ts';
import { expand } from './expand.ts';
import { sandboxConfig } from './sandbox-config.ts';
import { checkNonRoot, containerSecurityContext, effectiveSecurityContext } from './security-context.ts';
import { serviceEnv } from './service-env.ts';

const pod = (spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'n', uid: 'u', labels: { a: 'b' }, annotations: { k: 'v' } },
  spec: { containers: [{ name: 'c' }], ...spec },
});
const sources: EnvironmentSources = {
  nodeName: 'node',
  hostIPs: ['192.0.2.1'],
  podIPs: ['10.0.0.5', 'fd00::5'],
  allocatable: { cpu: '2', memory: '4Gi' },
  serviceEnv: new Map([['WEB_SERVICE_HOST', '10.96.0.7']]),
  configMaps: new Map([['cm', { metadata: { name: 'cm' }, data: { a: '1', 'b=c': '2' } }]]),
  secrets: new Map([['s', { metadata: { name: 's' }, data: { t: Buffer.from('pw').toString('base64') } }]]),
  files: new Map([['v/a.env', "A='1'\nE=''"]]),
};
const env = (container: Partial<Container>, p = pod()): Record<string, string> =>
  Object.fromEntries(containerEnvironment(p, { name: 'c', ...container }, sources).variables);

test.each([
  ['$(A)', 'x'],
  ['$$(A)', '$(A)'],
  ['$(B)', '$(B)'],
  ['a$', 'a$'],
  ['$(A', '$(A'],
  ['$A', '$A'],
  ['$$$(A)-$(A)', '$x-x'],
])('expand() makes of %s: %s', (text, want) => {
  expect(expand(text, name => (name === 'A' ? 'x' : undefined))).toBe(want);
});

describe('containerEnvironment()', () => {
  test('resolves every kind of reference', () => {
    const container: Partial<Container> = {
      resources: { limits: { memory: '64Mi' }, requests: { cpu: '250m' } },
      env: [
        { name: 'PLAIN', value: 'x' },
        { name: 'EXPANDED', value: '$(PLAIN)-$(WEB_SERVICE_HOST)' },
        { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'LABEL', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a']" } } },
        { name: 'IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
        { name: 'REQ', valueFrom: { resourceFieldRef: { resource: 'requests.cpu', divisor: '1m' } } },
        { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
        { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'cm', key: 'a' } } },
        { name: 'SECRET', valueFrom: { secretKeyRef: { name: 's', key: 't' } } },
        { name: 'NONE', valueFrom: { configMapKeyRef: { name: 'no', key: 'a', optional: true } } },
      ],
    };
    expect(env(container)).toEqual({
      PLAIN: 'x',
      EXPANDED: 'x-10.96.0.7',
      POD: 'p',
      LABEL: 'b',
      IPS: '10.0.0.5,fd00::5',
      CPU: '2',
      REQ: '250',
      MEM: '64',
      KEY: '1',
      SECRET: 'pw',
      WEB_SERVICE_HOST: '10.96.0.7',
    });
    expect(environmentReferences({ name: 'c', ...container })).toEqual({ configMaps: ['cm', 'no'], secrets: ['s'] });
  });

  test('takes what it can of envFrom and tells what it skipped; env wins', () => {
    const container: Container = {
      name: 'c',
      envFrom: [{ prefix: 'P_', configMapRef: { name: 'cm' } }],
      env: [{ name: 'P_a', value: 'own' }],
    };
    const { variables, skipped } = containerEnvironment(pod(), container, sources);
    expect(variables.get('P_a')).toBe('own');
    expect(skipped).toEqual([expect.stringContaining('Keys [b=c] from the EnvFrom configMap n/cm were skipped')]);
  });

  test.each([
    [
      'a missing ConfigMap',
      { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'no', key: 'k' } } }] },
      'configmap "no" not found',
    ],
    [
      'a missing key',
      { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] },
      "couldn't find key k in Secret n/s",
    ],
    ['a missing envFrom', { envFrom: [{ secretRef: { name: 'no' } }] }, 'secret "no" not found'],
  ])('refuses %s', (_, container, message) => {
    expect(() => env(container)).toThrow(new ConfigError(message));
  });
});

test('serviceEnv() names every port', () => {
  const service = {
    metadata: { name: 'my-web' },
    spec: {
      clusterIP: '10.96.0.7',
      ports: [
        { name: 'http', port: 80 },
        { port: 53, protocol: 'UDP' },
      ],
    },
  };
  const headless = { metadata: { name: 'h' }, spec: { clusterIP: 'None', ports: [{ port: 1 }] } };
  expect(Object.fromEntries(serviceEnv([service, headless]))).toEqual({
    MY_WEB_SERVICE_HOST: '10.96.0.7',
    MY_WEB_SERVICE_PORT: '80',
    MY_WEB_SERVICE_PORT_HTTP: '80',
    MY_WEB_PORT: 'tcp://10.96.0.7:80',
    MY_WEB_PORT_80_TCP: 'tcp://10.96.0.7:80',
    MY_WEB_PORT_80_TCP_PROTO: 'tcp',
    MY_WEB_PORT_80_TCP_PORT: '80',
    MY_WEB_PORT_80_TCP_ADDR: '10.96.0.7',
    MY_WEB_PORT_53_UDP: 'udp://10.96.0.7:53',
    MY_WEB_PORT_53_UDP_PROTO: 'udp',
    MY_WEB_PORT_53_UDP_PORT: '53',
    MY_WEB_PORT_53_UDP_ADDR: '10.96.0.7',
  });
});

describe('containerConfig()', () => {
  const input = (container: Partial<Container>, more: Partial<ContainerConfigInput> = {}): ContainerConfigInput => ({
    pod: pod(),
    container: { name: 'c', image: 'x:1', ...container },
    attempt: 2,
    imageRef: 'sha256:1',
    environment: new Map([['A', '1']]),
    mounts: [],
    devices: [],
    hostsFile: '/pods/u/etc-hosts',
    terminationMessageFile: '/pods/u/containers/c/2',
    nodeMemoryBytes: 1 << 30,
    seccompFolder: '/k/seccomp',
    seccompDefault: false,
    recursiveReadOnlyMounts: false,
    ...more,
  });

  test('containerConfig() maps the ids of a user namespace on every mount', () => {
    const ids = [{ hostId: 65_536, containerId: 0, length: 65_536 }];
    const userNamespace = { mode: NamespaceMode.POD, uids: ids, gids: ids };
    const config = containerConfig(input({}, { userNamespace }));
    expect(config.linux?.securityContext?.namespaceOptions?.usernsOptions).toEqual(userNamespace);
    expect(config.mounts?.length).toBeGreaterThan(0);
    for (const mount of config.mounts ?? []) expect(mount).toMatchObject({ uidMappings: ids, gidMappings: ids });
  });

  test('carries what a restart needs', () => {
    const config = containerConfig(input({ args: ['$(A)'], lifecycle: { preStop: { sleep: { seconds: 1 } } } }));
    expect(config).toMatchObject({ args: ['1'], logPath: 'c/2.log', metadata: { name: 'c', attempt: 2 } });
    expect(config.labels).toMatchObject({ 'io.kubernetes.pod.name': 'p', 'io.kubernetes.container.name': 'c' });
    expect(config.annotations).toMatchObject({
      'io.kubernetes.container.restartCount': '2',
      'io.kubernetes.container.preStopHandler': '{"sleep":{"seconds":1}}',
    });
  });

  test('mounts volumes, the hosts file and the termination message', () => {
    const mount = { name: 'v', mountPath: 'data', readOnly: true, mountPropagation: 'HostToContainer' };
    const mounts = [{ mount, hostPath: '/vol', readOnly: false, selinuxRelabel: false }];
    expect(containerConfig(input({}, { mounts })).mounts).toMatchObject([
      {
        containerPath: '/data',
        hostPath: '/vol',
        readonly: true,
        propagation: MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
      },
      { containerPath: '/etc/hosts', hostPath: '/pods/u/etc-hosts', readonly: false },
      { containerPath: '/dev/termination-log', hostPath: '/pods/u/containers/c/2' },
    ]);
  });

  test('lets the user mount /etc/hosts', () => {
    const mounts = [
      { mount: { name: 'v', mountPath: '/etc/hosts' }, hostPath: '/vol', readOnly: false, selinuxRelabel: false },
    ];
    expect(containerConfig(input({}, { mounts })).mounts?.filter(m => m.containerPath === '/etc/hosts')).toHaveLength(
      1,
    );
  });
});

describe('security contexts', () => {
  test('the container wins over the pod', () => {
    const p = pod({ securityContext: { runAsUser: 1, runAsGroup: 2, fsGroup: 3, supplementalGroups: [4] } });
    const context = containerSecurityContext(p, {
      name: 'c',
      securityContext: { runAsUser: 9, capabilities: { add: ['CAP_NET_ADMIN'] }, allowPrivilegeEscalation: false },
    });
    expect(context).toMatchObject({
      runAsUser: { value: 9n },
      runAsGroup: { value: 2n },
      supplementalGroups: [4n, 3n],
      noNewPrivs: true,
      capabilities: { addCapabilities: ['NET_ADMIN'] },
      seccomp: { profileType: SecurityProfile_ProfileType.Unconfined },
    });
    expect(context.maskedPaths).toContain('/proc/kcore');
  });

  test('a privileged container masks nothing', () => {
    const context = containerSecurityContext(pod(), { name: 'c', securityContext: { privileged: true } });
    expect(context).toMatchObject({ privileged: true, maskedPaths: [], readonlyPaths: [] });
  });

  test.each([
    [{ uid: 0, username: '' }, {}, 'image will run as root'],
    [{ uid: undefined, username: '' }, {}, 'image will run as root'],
    [{ uid: undefined, username: 'www' }, {}, 'non-numeric user (www)'],
    [{ uid: 5, username: '' }, { runAsUser: 0 }, 'breaks non-root policy'],
  ])('checkNonRoot() refuses %j with %j', (image, context, message) => {
    const whole = effectiveSecurityContext(pod(), { name: 'c', securityContext: { runAsNonRoot: true, ...context } });
    expect(() => checkNonRoot(whole, image, 'p', 'c')).toThrow(message);
  });

  test('checkNonRoot() takes a numeric user', () => {
    expect(() => checkNonRoot({ runAsNonRoot: true }, { uid: 5, username: '' }, 'p', 'c')).not.toThrow();
  });
});

test('containerConfig() finds seccomp profiles of the node in its folder', () => {
  const securityContext = { seccompProfile: { type: 'Localhost', localhostProfile: 'a/b.json' } };
  const plain = { name: 'c', securityContext };
  expect(containerSecurityContext(pod(), plain, { seccompFolder: '/k/seccomp' }).seccomp).toEqual({
    profileType: SecurityProfile_ProfileType.Localhost,
    localhostRef: '/k/seccomp/a/b.json',
  });
});

test.each([
  ['nothing is said', {}, {}, 'RuntimeDefault'],
  ['the container says otherwise', {}, { seccompProfile: { type: 'Unconfined' } }, 'Unconfined'],
  ['the pod says otherwise', { seccompProfile: { type: 'Unconfined' } }, {}, 'Unconfined'],
  ['the container has a profile', {}, { seccompProfile: { type: 'Localhost', localhostProfile: 'a' } }, 'Localhost'],
  ['it is privileged', {}, { privileged: true }, 'Unconfined'],
] as const)('containerConfig() with seccompDefault where %s', (_name, whole, own, want) => {
  const p = pod({ securityContext: whole });
  const context = containerSecurityContext(p, { name: 'c', securityContext: own }, { seccompDefault: true });
  expect(context.seccomp?.profileType).toBe(SecurityProfile_ProfileType[want]);
});

test.each<[string, object, { uid: number | undefined; username: string }, object]>([
  ['a user', { runAsUser: 5, runAsGroup: 6 }, { uid: 1, username: '' }, { runAsUser: { value: 5n } }],
  ['a group alone: the user of the image', { runAsGroup: 6 }, { uid: 1, username: '' }, { runAsUser: { value: 1n } }],
  ['... by name', { runAsGroup: 6 }, { uid: undefined, username: 'web' }, { runAsUsername: 'web' }],
  ['... or root', { runAsGroup: 6 }, { uid: undefined, username: '' }, { runAsUser: { value: 0n } }],
])('containerSecurityContext() of %s', (_name, securityContext, imageUser, want) => {
  const context = containerSecurityContext(pod(), { name: 'c', securityContext }, { imageUser });
  expect(context).toMatchObject({ ...want, runAsGroup: { value: 6n } });
});

test('sandboxConfig() names namespaces, ports and sysctls', () => {
  const p = pod({
    hostPID: true,
    securityContext: { sysctls: [{ name: 'net/ipv4/ip_unprivileged_port_start', value: '0' }] },
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080, protocol: 'UDP' }, { containerPort: 81 }] }],
  });
  const config = sandboxConfig({
    pod: p,
    attempt: 1,
    hostname: 'p',
    dns: { servers: ['1.1.1.1'], searches: [], options: [] },
    logFolder: '/l',
    cgroupParent: '/k',
    userNamespace: undefined,
  });
  expect(config).toMatchObject({
    metadata: { name: 'p', namespace: 'n', uid: 'u', attempt: 1 },
    labels: { a: 'b', 'io.kubernetes.pod.uid': 'u' },
    portMappings: [{ protocol: Protocol.UDP, containerPort: 80, hostPort: 8080 }],
    linux: {
      cgroupParent: '/k',
      sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0' },
      securityContext: { namespaceOptions: { pid: NamespaceMode.NODE, network: NamespaceMode.POD } },
    },
  });
  expect(config.portMappings).toHaveLength(1);
});

describe('a variable from a file', () => {
  const from = (path: string, key: string, optional?: boolean): Record<string, string> =>
    env({ env: [{ name: 'X', valueFrom: { fileKeyRef: { volumeName: 'v', path, key, optional } } }] });

  test('has the value of its key', () => {
    expect(from('a.env', 'A')['X']).toBe('1');
  });

  test.each([
    ['no.env', 'A'],
    ['a.env', 'B'],
    ['a.env', 'E'],
  ])('is left out where it is optional: %s %s', (path, key) => {
    expect(from(path, key, true)).not.toHaveProperty('X');
  });

  test.each([
    ['no.env', 'A', 'environment variable file "no.env" not found'],
    ['a.env', 'B', 'environment variable key "B" not found in file "a.env"'],
  ])('is demanded otherwise: %s %s', (path, key, want) => {
    expect(() => from(path, key)).toThrow(want);
  });
});
