import { expect, test } from '@jest/globals';
import type { Container, PodSpec } from '../../proto/api/core-v1.ts';
import { unsupportedPodFields } from './unsupported-pod-fields.ts';

function of(spec: Partial<PodSpec>, container: Partial<Container> = {}): string[] {
  const fields = unsupportedPodFields({ containers: [{ name: 'c', ...container }], ...spec });
  return fields.map(({ path, effect, container: name }) => `${path} ${effect}${name === undefined ? '' : ` ${name}`}`);
}

test('unsupportedPodFields() finds nothing in a pod that works', () => {
  const volumes = [
    { name: 'a', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    { name: 'h', emptyDir: { medium: 'HugePages-2Mi' } },
    { name: 'n', nfs: { server: 's', path: '/' } },
    { name: 'i', image: { reference: 'x' } },
    { name: 'e', ephemeral: {} },
    { name: 'b', hostPath: { path: '/x' } },
    { name: 'c', projected: { sources: [{ serviceAccountToken: { path: 'token' } }, { configMap: { name: 'x' } }] } },
    { name: 'd', persistentVolumeClaim: { claimName: 'x' } },
  ];
  const container = {
    env: [
      { name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'B', valueFrom: { fileKeyRef: { volumeName: 'v', path: 'p', key: 'k' } } },
    ],
    lifecycle: { stopSignal: 'SIGHUP', preStop: { tcpSocket: { port: 1 } } },
    resources: { limits: { cpu: '1', memory: '1Mi' } },
  };
  expect(of({ volumes, hostUsers: false }, container)).toEqual([]);
});

test.each<[Partial<PodSpec>, string]>([
  [{ resourceClaims: [{ name: 'gpu' }] }, 'spec.resourceClaims podWaits'],
  [{ securityContext: { windowsOptions: {} } }, 'spec.securityContext.windowsOptions notEnforced'],
  [{ securityContext: { seLinuxChangePolicy: 'MountOption' } }, 'spec.securityContext.seLinuxChangePolicy notEnforced'],
  [{ volumes: [{ name: 'a', gitRepo: { repository: 'r' } }] }, 'spec.volumes[0].gitRepo volumeWaits'],
  [{ volumes: [{ name: 'a', iscsi: { targetPortal: 't', iqn: 'i', lun: 0 } }] }, 'spec.volumes[0].iscsi volumeWaits'],
  [{ volumes: [{ name: 'a', emptyDir: { medium: 'Tape' } }] }, 'spec.volumes[0].emptyDir.medium volumeWaits'],
  [
    { volumes: [{ name: 'a', projected: { sources: [{ clusterTrustBundle: { path: 'ca' } }] } }] },
    'spec.volumes[0].projected.sources[0].clusterTrustBundle volumeWaits',
  ],
])('unsupportedPodFields() of a pod: %j', (spec, expected) => {
  expect(of(spec)).toEqual([expected]);
});

test.each<[Partial<Container>, string]>([
  [{ resources: { claims: [{ name: 'gpu' }] } }, 'resources.claims containerWaits'],
  [{ securityContext: { windowsOptions: {} } }, 'securityContext.windowsOptions notEnforced'],
])('unsupportedPodFields() of a container: %j', (container, expected) => {
  expect(of({}, container)).toEqual([`spec.containers[0].${expected} c`]);
});

test('unsupportedPodFields() names init containers and templates', () => {
  const spec: PodSpec = {
    containers: [],
    initContainers: [{ name: 'i', resources: { claims: [{ name: 'gpu' }] } }],
  };
  expect(unsupportedPodFields(spec, 'spec.template.spec')[0]?.path).toBe(
    'spec.template.spec.initContainers[0].resources.claims',
  );
});
