import { describe, expect, test } from '@jest/globals';
import { KindTable } from './testdata/kind-table.ts';

describe('what is stored of an object that says little', () => {
  test.each<[string, object, object]>([
    [
      'batch/v1/CronJob',
      { metadata: { name: 'x', namespace: 'default' }, spec: { schedule: '@daily', jobTemplate: { spec: {} } } },
      {
        spec: {
          schedule: '@daily',
          jobTemplate: { spec: {} },
          concurrencyPolicy: 'Allow',
          suspend: false,
          successfulJobsHistoryLimit: 3,
          failedJobsHistoryLimit: 1,
        },
      },
    ],
    [
      'autoscaling/v2/HorizontalPodAutoscaler',
      {
        metadata: { name: 'x', namespace: 'default' },
        spec: {
          maxReplicas: 3,
          scaleTargetRef: { kind: 'Deployment', name: 'd' },
          behavior: { scaleUp: {}, scaleDown: {} },
        },
      },
      {
        spec: {
          maxReplicas: 3,
          scaleTargetRef: { kind: 'Deployment', name: 'd' },
          behavior: {
            scaleUp: {
              selectPolicy: 'Max',
              stabilizationWindowSeconds: 0,
              policies: [
                { type: 'Pods', value: 4, periodSeconds: 15 },
                { type: 'Percent', value: 100, periodSeconds: 15 },
              ],
            },
            scaleDown: { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
          },
          minReplicas: 1,
          metrics: [
            { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
          ],
        },
      },
    ],
    [
      'networking.k8s.io/v1/NetworkPolicy',
      {
        metadata: { name: 'x', namespace: 'default' },
        spec: { podSelector: {}, ingress: [{ ports: [{}] }], egress: [{}] },
      },
      {
        spec: {
          podSelector: {},
          ingress: [{ ports: [{ protocol: 'TCP' }] }],
          egress: [{}],
          policyTypes: ['Ingress', 'Egress'],
        },
      },
    ],
    [
      'storage.k8s.io/v1/StorageClass',
      { metadata: { name: 'x' }, provisioner: 'a.b/c' },
      { provisioner: 'a.b/c', reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' },
    ],
    [
      'storage.k8s.io/v1/CSIDriver',
      { metadata: { name: 'x' }, spec: {} },
      {
        spec: {
          attachRequired: true,
          podInfoOnMount: false,
          storageCapacity: false,
          fsGroupPolicy: 'ReadWriteOnceWithFSType',
          volumeLifecycleModes: ['Persistent'],
          requiresRepublish: false,
          seLinuxMount: false,
        },
      },
    ],
    [
      'v1/PersistentVolume',
      {
        metadata: { name: 'x' },
        spec: {
          capacity: { storage: '1' },
          accessModes: ['ReadWriteOnce'],
          iscsi: { targetPortal: 'p', iqn: 'iqn.2001-04.a.b:c', lun: 0 },
        },
      },
      {
        spec: {
          capacity: { storage: '1' },
          accessModes: ['ReadWriteOnce'],
          iscsi: { targetPortal: 'p', iqn: 'iqn.2001-04.a.b:c', lun: 0, iscsiInterface: 'default' },
          persistentVolumeReclaimPolicy: 'Retain',
          volumeMode: 'Filesystem',
        },
      },
    ],
    [
      'v1/PersistentVolumeClaim',
      {
        metadata: { name: 'x', namespace: 'default' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1' } } },
      },
      { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1' } }, volumeMode: 'Filesystem' } },
    ],
    [
      'v1/LimitRange',
      {
        metadata: { name: 'x', namespace: 'default' },
        spec: { limits: [{ type: 'Container', max: { cpu: '2' }, min: { memory: '1Mi' } }] },
      },
      {
        spec: {
          limits: [
            {
              type: 'Container',
              max: { cpu: '2' },
              min: { memory: '1Mi' },
              default: { cpu: '2' },
              defaultRequest: { memory: '1Mi', cpu: '2' },
            },
          ],
        },
      },
    ],
    [
      'rbac.authorization.k8s.io/v1/RoleBinding',
      {
        metadata: { name: 'x', namespace: 'default' },
        roleRef: { kind: 'Role', name: 'r' },
        subjects: [
          { kind: 'User', name: 'u' },
          { kind: 'ServiceAccount', name: 's' },
        ],
      },
      {
        roleRef: { kind: 'Role', name: 'r', apiGroup: 'rbac.authorization.k8s.io' },
        subjects: [
          { kind: 'User', name: 'u', apiGroup: 'rbac.authorization.k8s.io' },
          { kind: 'ServiceAccount', name: 's' },
        ],
      },
    ],
    [
      'scheduling.k8s.io/v1/PriorityClass',
      { metadata: { name: 'x' }, value: 1 },
      { value: 1, preemptionPolicy: 'PreemptLowerPriority' },
    ],
    [
      'discovery.k8s.io/v1/EndpointSlice',
      {
        metadata: { name: 'x', namespace: 'default' },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['10.0.0.1'] }],
        ports: [{ port: 80 }],
      },
      {
        addressType: 'IPv4',
        endpoints: [{ addresses: ['10.0.0.1'], conditions: {} }],
        ports: [{ port: 80, name: '', protocol: 'TCP' }],
      },
    ],
    [
      'admissionregistration.k8s.io/v1/MutatingWebhookConfiguration',
      {
        metadata: { name: 'x' },
        webhooks: [
          {
            name: 'a.b.c',
            clientConfig: { service: { name: 'a', namespace: 'b' } },
            sideEffects: 'None',
            admissionReviewVersions: ['v1'],
            rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
          },
        ],
      },
      {
        webhooks: [
          {
            name: 'a.b.c',
            clientConfig: { service: { name: 'a', namespace: 'b', port: 443 } },
            sideEffects: 'None',
            admissionReviewVersions: ['v1'],
            rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], scope: '*' }],
            failurePolicy: 'Fail',
            matchPolicy: 'Equivalent',
            namespaceSelector: {},
            objectSelector: {},
            timeoutSeconds: 10,
            reinvocationPolicy: 'Never',
          },
        ],
      },
    ],
    [
      'flowcontrol.apiserver.k8s.io/v1/FlowSchema',
      { metadata: { name: 'x' }, spec: { priorityLevelConfiguration: { name: 'p' } } },
      { spec: { priorityLevelConfiguration: { name: 'p' }, matchingPrecedence: 1000 } },
    ],
    [
      'flowcontrol.apiserver.k8s.io/v1/PriorityLevelConfiguration',
      { metadata: { name: 'x' }, spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue' } } } },
      {
        spec: {
          type: 'Limited',
          limited: { limitResponse: { type: 'Queue' }, nominalConcurrencyShares: 30, lendablePercent: 0 },
        },
      },
    ],
    [
      'resource.k8s.io/v1/ResourceClaim',
      {
        metadata: { name: 'x', namespace: 'default' },
        spec: {
          devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c', tolerations: [{ key: 'k' }] } }] },
        },
      },
      {
        spec: {
          devices: {
            requests: [
              {
                name: 'r',
                exactly: {
                  deviceClassName: 'c',
                  tolerations: [{ key: 'k', operator: 'Equal' }],
                  allocationMode: 'ExactCount',
                  count: 1,
                },
              },
            ],
          },
        },
      },
    ],
  ])('%s %j', (type, object, stored) => {
    const { metadata, ...rest } = new KindTable(type, object).created();
    expect(metadata.name).toBeDefined();
    expect(rest).toMatchObject(stored);
  });
});
