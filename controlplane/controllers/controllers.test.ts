import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { DaemonSet, Deployment } from '../../proto/api/apps-v1.ts';
import type { Pod, ReplicationController, Service } from '../../proto/api/core-v1.ts';
import {
  controllerRevisions,
  cronJobs,
  daemonSets,
  deployments,
  endpoints,
  endpointSlices,
  events,
  horizontalPodAutoscalers,
  jobs,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  services,
  statefulSets,
  volumeAttachments,
} from '../../machinery/client/resource.ts';
import { AllControllers, gone } from './testdata/all-controllers.ts';

const all = new AllControllers();
const { admin, eventually, makeNamespace } = all;

beforeAll(() => all.start());
afterAll(() => all.close());

function deployment(namespace: string, image: string, replicas = 3): Deployment {
  const labels = { app: 'web' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image }] } };
  return {
    metadata: { namespace, name: 'web' },
    spec: { replicas, selector: { matchLabels: labels }, template },
  } as Deployment;
}

/** Plays the kubelet: all pods of the namespace run and are ready. */
async function runPods(namespace: string): Promise<void> {
  const { items } = await admin.of(pods).list({ namespace });
  await Promise.all(
    items
      .filter(pod => pod.status?.phase !== 'Running' && pod.metadata.deletionTimestamp === undefined)
      .map(async (pod, i) => {
        const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' } as const;
        const ip = `10.42.1.${10 + i}`;
        const status = { ...pod.status, phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [ready] };
        await admin.of(pods).updateStatus({ ...pod, status } as Pod);
      }),
  );
}

test('a deployment makes its pods, rolls to a new image, and everything goes with it', async () => {
  await makeNamespace('b');
  await admin.of(deployments).create(deployment('b', 'one:1'));
  await eventually('pods', async () =>
    (await admin.of(pods).list({ namespace: 'b' })).items.length === 3 ? true : undefined,
  );
  const ready = (n: number) => async () => {
    await runPods('b');
    const { status, metadata } = await admin.of(deployments).get({ namespace: 'b', name: 'web' });
    const done =
      status?.availableReplicas === n &&
      status.updatedReplicas === n &&
      status.replicas === n &&
      status.observedGeneration === metadata.generation;
    return done ? true : undefined;
  };
  await eventually('ready', ready(3));
  const current = await admin.of(deployments).get({ namespace: 'b', name: 'web' });
  expect(current.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('1');
  const image = [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'two:2' }];
  await admin.of(deployments).patch({ namespace: 'b', name: 'web' }, image, { type: 'json' });
  await eventually('rolled', async () => {
    const { items } = await admin.of(pods).list({ namespace: 'b' });
    await ready(3)();
    return items.length === 3 && items.every(pod => pod.spec?.containers[0]?.image === 'two:2') ? true : undefined;
  });
  await eventually('complete', ready(3));
  const sets = (await admin.of(replicaSets).list({ namespace: 'b' })).items;
  expect(
    sets.map(set => [set.metadata.annotations?.['deployment.kubernetes.io/revision'], set.spec?.replicas]).sort(),
  ).toEqual([
    ['1', 0],
    ['2', 3],
  ]);
  const rolled = await eventually('condition', async () => {
    const found = await admin.of(deployments).get({ namespace: 'b', name: 'web' });
    return found.status?.conditions?.find(c => c.reason === 'NewReplicaSetAvailable');
  });
  expect(rolled.status).toBe('True');
  await admin.of(deployments).delete({ namespace: 'b', name: 'web' }, { propagationPolicy: 'Foreground' });
  await eventually('deployment gone', () => gone(() => admin.of(deployments).get({ namespace: 'b', name: 'web' })));
  expect((await admin.of(replicaSets).list({ namespace: 'b' })).items).toEqual([]);
});

test('an orphaned pod that matches is adopted, and one that stops matching is released and replaced', async () => {
  await makeNamespace('c');
  await admin.of(deployments).create(deployment('c', 'x', 1));
  const [pod] = await eventually('pod', async () => {
    const { items } = await admin.of(pods).list({ namespace: 'c' });
    return items.length === 1 ? items : undefined;
  });
  const ref = { namespace: 'c', name: pod?.metadata.name ?? '' };
  await admin.of(pods).patch(ref, { metadata: { labels: { app: 'other' } } }, { type: 'merge' });
  await eventually('replacement', async () =>
    (await admin.of(pods).list({ namespace: 'c' })).items.length === 2 ? true : undefined,
  );
  const released = await eventually('release', async () => {
    const found = await admin.of(pods).get(ref);
    return (found.metadata.ownerReferences ?? []).length === 0 ? found : undefined;
  });
  expect(released.metadata.deletionTimestamp).toBeUndefined();
});

test('a replication controller keeps its pods, tells of them, adopts what matches, and leaves them when orphaned', async () => {
  await makeNamespace('rc');
  const labels = { app: 'old' };
  const spec = { containers: [{ name: 'c', image: 'x' }] };
  const metadata = { namespace: 'rc', name: 'lone', labels };
  await admin.of(pods).create({ metadata, spec } as Pod);
  await admin.of(replicationControllers).create({
    metadata: { namespace: 'rc', name: 'web' },
    spec: { replicas: 2, selector: labels, template: { metadata: { labels }, spec } },
  } as ReplicationController);
  const two = await eventually('two pods', async () => {
    const { items } = await admin.of(pods).list({ namespace: 'rc' });
    const owned = items.filter(pod => pod.metadata.ownerReferences?.[0]?.kind === 'ReplicationController');
    return owned.length === 2 ? owned : undefined;
  });
  expect(two.map(pod => pod.metadata.name)).toContain('lone');
  await runPods('rc');
  const ref = { namespace: 'rc', name: 'web' };
  const rc = await eventually('its status', async () => {
    const found = await admin.of(replicationControllers).get(ref);
    return found.status?.readyReplicas === 2 ? found : undefined;
  });
  expect(rc.status).toMatchObject({ replicas: 2, fullyLabeledReplicas: 2, availableReplicas: 2 });
  expect(rc.status).not.toHaveProperty('terminatingReplicas');
  await admin.of(replicationControllers).delete(ref, { propagationPolicy: 'Orphan' });
  await eventually('orphans', async () => {
    const { items } = await admin.of(pods).list({ namespace: 'rc' });
    return items.every(pod => (pod.metadata.ownerReferences ?? []).length === 0) ? true : undefined;
  });
  expect((await admin.of(pods).list({ namespace: 'rc' })).items.length).toBe(2);
});

test('a disruption budget lets as many pods go as it can spare', async () => {
  await makeNamespace('pdb');
  await admin.of(deployments).create(deployment('pdb', 'x', 2));
  const spec = { maxUnavailable: 1, selector: { matchLabels: { app: 'web' } } };
  const ref = { namespace: 'pdb', name: 'web' };
  await admin.of(podDisruptionBudgets).create({ metadata: ref, spec });
  const allowed = (n: number) => async () => {
    const { status } = await admin.of(podDisruptionBudgets).get(ref);
    return status?.disruptionsAllowed === n && status.expectedPods === 2 ? true : undefined;
  };
  await eventually('nothing to spare', allowed(0));
  await runPods('pdb');
  await eventually('one to spare', allowed(1));
  const [first, second] = (await admin.of(pods).list({ namespace: 'pdb' })).items;
  const evict = (pod: Pod | undefined) => {
    const target = { namespace: 'pdb', name: pod?.metadata.name ?? '' };
    return admin.of(pods).createSubresource(target, 'eviction', { metadata: target });
  };
  await evict(first);
  await expect(evict(second)).rejects.toMatchObject({ code: 429 });
  await eventually('replaced', async () => {
    await runPods('pdb');
    return allowed(1)();
  });
  await evict(second);
});

test('an autoscaler keeps its target within bounds, and says what it cannot do', async () => {
  await makeNamespace('hpa');
  await admin.of(deployments).create(deployment('hpa', 'x', 4));
  const ref = { namespace: 'hpa', name: 'web' };
  const spec = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 2 };
  const autoscalers = admin.of(horizontalPodAutoscalers);
  await autoscalers.create({ metadata: ref, spec });
  const conditions = async (name: string): Promise<string> =>
    ((await autoscalers.get({ ...ref, name })).status?.conditions ?? [])
      .map(({ type, status, reason }) => `${type} ${status} ${reason}`)
      .join(', ');
  const says = (name: string, text: string) => async () => ((await conditions(name)).includes(text) ? true : undefined);
  await eventually('shrunk to the bound', async () =>
    (await admin.of(deployments).get(ref)).spec.replicas === 2 ? true : undefined,
  );
  await eventually('says so', says('web', 'AbleToScale True SucceededRescale'));
  await eventually('its event', async () =>
    (await admin.of(events).list({ namespace: 'hpa' })).items.find(
      ({ message }) => message === 'New size: 2; reason: Current number of replicas above Spec.MaxReplicas',
    ),
  );
  // A change of the spec is looked at at once; here no pod has ever run, so there is nothing to measure.
  const { metadata, spec: now } = await autoscalers.get(ref);
  await autoscalers.update({ metadata, spec: { ...now, maxReplicas: 5 } });
  await eventually('no metrics', says('web', 'ScalingActive False FailedGetResourceMetric'));
  await autoscalers.create({ metadata: { ...ref, name: 'rival' }, spec: { ...spec, maxReplicas: 5 } });
  await eventually('two for the same pods', says('rival', 'ScalingActive False AmbiguousSelector'));
  const lost = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' };
  await autoscalers.create({ metadata: { ...ref, name: 'lost' }, spec: { ...spec, scaleTargetRef: lost } });
  await eventually('no target', says('lost', 'AbleToScale False FailedGetScale'));
  await autoscalers.deleteCollection({ namespace: 'hpa' });
});

test('a daemon set runs on every node, rolls, keeps its history, and can go back', async () => {
  await makeNamespace('ds');
  for (const name of ['d1', 'd2'])
    await admin.of(nodes).create({ metadata: { name, labels: { daemons: 'yes' } }, spec: {} });
  const labels = { app: 'daemon' };
  const ref = { namespace: 'ds', name: 'web' };
  const container = (image: string) => ({ name: 'c', image });
  const podSpec = { containers: [container('one:1')], nodeSelector: { daemons: 'yes' } };
  const template = { metadata: { labels }, spec: podSpec };
  await admin.of(daemonSets).create({
    metadata: ref,
    spec: { selector: { matchLabels: labels }, template },
  } as DaemonSet);
  const settled = (image: string) => async () => {
    await runPods('ds');
    const { items } = await admin.of(pods).list({ namespace: 'ds' });
    const { status } = await admin.of(daemonSets).get(ref);
    const targets = items.map(pod => JSON.stringify(pod.spec.affinity?.nodeAffinity)).sort();
    const done =
      items.length === 2 &&
      items.every(pod => pod.spec.containers[0]?.image === image) &&
      targets[0]?.includes('"d1"') &&
      targets[1]?.includes('"d2"') &&
      status?.updatedNumberScheduled === 2 &&
      status.numberAvailable === 2;
    return done === true ? true : undefined;
  };
  await eventually('running', settled('one:1'));
  const image = (name: string) => ({ spec: { template: { spec: { containers: [container(name)] } } } });
  await admin.of(daemonSets).patch(ref, image('two:2'), { type: 'strategic' });
  await eventually('rolled', settled('two:2'));
  const revisions = async () => (await admin.of(controllerRevisions).list({ namespace: 'ds' })).items;
  const [first] = (await revisions()).sort((a, b) => a.revision - b.revision);
  expect((await revisions()).map(revision => revision.revision).sort()).toEqual([1, 2]);
  await admin.of(daemonSets).patch(ref, first?.data, { type: 'strategic' });
  await eventually('gone back', settled('one:1'));
  expect((await revisions()).map(revision => revision.revision).sort()).toEqual([2, 3]);
  await admin.of(nodes).patch({ name: 'd2' }, { metadata: { labels: { daemons: 'no' } } }, { type: 'merge' });
  await eventually('left the node', async () =>
    (await admin.of(pods).list({ namespace: 'ds' })).items.length === 1 ? true : undefined,
  );
  await admin.of(nodes).delete({ name: 'd1' });
  await admin.of(nodes).delete({ name: 'd2' });
});

test('a stateful set makes its pods in order, with claims that stay, rolls from the end, and shrinks', async () => {
  await makeNamespace('sts');
  const labels = { app: 'db' };
  const ref = { namespace: 'sts', name: 'db' };
  const container = (image: string) => ({ name: 'c', image });
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  await admin.of(statefulSets).create({
    metadata: ref,
    spec: {
      replicas: 2,
      serviceName: 'db',
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container('one:1')] } },
      volumeClaimTemplates: [claim],
    },
  });
  const names = async () =>
    (await admin.of(pods).list({ namespace: 'sts' })).items.map(pod => pod.metadata.name).sort();
  await eventually('the first', async () => ((await names()).length === 1 ? true : undefined));
  expect(await names()).toEqual(['db-0']);
  const settled = (image: string, replicas: number) => async () => {
    await runPods('sts');
    const { items } = await admin.of(pods).list({ namespace: 'sts' });
    const { status } = await admin.of(statefulSets).get(ref);
    const done =
      items.length === replicas &&
      items.every(pod => pod.spec.containers[0]?.image === image) &&
      status?.readyReplicas === replicas &&
      status.currentRevision === status.updateRevision &&
      status.updatedReplicas === replicas;
    return done ? true : undefined;
  };
  await eventually('all', settled('one:1', 2));
  const image = { spec: { template: { spec: { containers: [container('two:2')] } } } };
  await admin.of(statefulSets).patch(ref, image, { type: 'strategic' });
  await eventually('rolled', settled('two:2', 2));
  await admin.of(statefulSets).patch(ref, { spec: { replicas: 1 } }, { type: 'merge' });
  await eventually('shrunk', settled('two:2', 1));
  expect(await names()).toEqual(['db-0']);
  const claims = (await admin.of(persistentVolumeClaims).list({ namespace: 'sts' })).items;
  expect(claims.map(({ metadata }) => metadata.name).sort()).toEqual(['data-db-0', 'data-db-1']);
});

/** Plays the kubelet: pods that are there and not ended end so. */
async function endPods(namespace: string, phase: 'Succeeded' | 'Failed'): Promise<void> {
  const { items } = await admin.of(pods).list({ namespace });
  for (const pod of items) {
    if (pod.status?.phase !== 'Pending' && pod.status?.phase !== 'Running') continue;
    await admin.of(pods).updateStatus({ ...pod, status: { ...pod.status, phase } });
  }
}

test('a job runs to its end, counts each pod once and lets all go', async () => {
  await makeNamespace('job');
  const ref = { namespace: 'job', name: 'sum' };
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } };
  const spec = { completions: 3, parallelism: 2, template };
  await admin.of(jobs).create({ metadata: ref, spec });
  const done = await eventually('complete', async () => {
    await endPods('job', 'Succeeded');
    const found = await admin.of(jobs).get(ref);
    return found.status?.conditions?.some(({ type }) => type === 'Complete') === true ? found : undefined;
  });
  expect(done.status).toMatchObject({ succeeded: 3 });
  const { items } = await admin.of(pods).list({ namespace: 'job' });
  expect([items.length, items.flatMap(pod => pod.metadata.finalizers ?? [])]).toEqual([3, []]);
  await admin
    .of(jobs)
    .create({ metadata: { ...ref, name: 'bad' }, spec: { ...spec, completions: 1, backoffLimit: 0 } });
  const failed = await eventually('failed', async () => {
    await endPods('job', 'Failed');
    const found = await admin.of(jobs).get({ ...ref, name: 'bad' });
    return found.status?.conditions?.some(({ type }) => type === 'Failed') === true ? found : undefined;
  });
  expect(failed.status).toMatchObject({ failed: 1 });
  await admin.of(jobs).delete(ref, { propagationPolicy: 'Background' });
  await eventually('pods gone', async () =>
    (await admin.of(pods).list({ namespace: 'job' })).items.length === 1 ? true : undefined,
  );
  await admin.of(jobs).create({ metadata: { ...ref, name: 'cut' }, spec });
  await eventually('running', async () =>
    (await admin.of(pods).list({ namespace: 'job' })).items.length === 3 ? true : undefined,
  );
  await admin.of(jobs).delete({ ...ref, name: 'cut' }, { propagationPolicy: 'Foreground' });
  await eventually('cut short', async () =>
    (await admin.of(pods).list({ namespace: 'job' })).items.length === 1 ? true : undefined,
  );
});

test('a cron job starts its jobs, which go when their time is over', async () => {
  await makeNamespace('cron');
  const ref = { namespace: 'cron', name: 'tick' };
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } };
  await admin.of(cronJobs).create({
    metadata: ref,
    spec: {
      schedule: '@every 1s',
      concurrencyPolicy: 'Forbid',
      jobTemplate: { spec: { ttlSecondsAfterFinished: 0, template } },
    },
  });
  const [first] = await eventually('first job', async () => {
    const { items } = await admin.of(jobs).list({ namespace: 'cron' });
    return items.length > 0 ? items : undefined;
  });
  await eventually('noted', async () => {
    const { status } = await admin.of(cronJobs).get(ref);
    return status?.active?.length === 1 && status.lastScheduleTime !== undefined ? true : undefined;
  });
  await admin.of(cronJobs).patch(ref, { spec: { suspend: true } }, { type: 'merge' });
  await eventually('gone', async () => {
    await endPods('cron', 'Succeeded');
    return gone(() => admin.of(jobs).get({ ...ref, name: first?.metadata.name ?? '' }));
  });
  await eventually('all gone', async () => {
    await endPods('cron', 'Succeeded');
    return (await admin.of(jobs).list({ namespace: 'cron' })).items.length === 0 ? true : undefined;
  });
});

test('a claim is bound to a volume, which is released when the claim is gone', async () => {
  await makeNamespace('pv');
  const ref = { namespace: 'pv', name: 'data' };
  const resources = { requests: { storage: '1Gi' } };
  const spec = { accessModes: ['ReadWriteOnce'], storageClassName: 'by-hand', resources };
  await admin.of(persistentVolumeClaims).create({ metadata: ref, spec });
  await eventually('pending', async () =>
    (await admin.of(persistentVolumeClaims).get(ref)).status?.phase === 'Pending' ? true : undefined,
  );
  await admin.of(persistentVolumes).create({
    metadata: { name: 'disk' },
    spec: {
      capacity: { storage: '2Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: 'by-hand',
      hostPath: { path: '/nowhere' },
    },
  });
  const phases = async () => [
    (await admin.of(persistentVolumes).get({ name: 'disk' })).status?.phase,
    (
      await admin
        .of(persistentVolumeClaims)
        .get(ref)
        .catch(() => undefined)
    )?.status?.phase,
  ];
  await eventually('bound', async () => ((await phases()).join() === 'Bound,Bound' ? true : undefined));
  const claim = await admin.of(persistentVolumeClaims).get(ref);
  expect([claim.spec.volumeName, claim.status?.capacity]).toEqual(['disk', { storage: '2Gi' }]);
  await admin.of(persistentVolumeClaims).delete(ref);
  await eventually('released', async () => ((await phases()).join() === 'Released,' ? true : undefined));
  await admin.of(persistentVolumes).delete({ name: 'disk' });
});

test('claims and volumes in use stay until their last user is gone; ephemeral claims come and go with their pod', async () => {
  await makeNamespace('kept');
  const resources = { requests: { storage: '1Gi' } };
  const claimSpec = { accessModes: ['ReadWriteOnce'], storageClassName: 'kept', resources };
  await admin.of(persistentVolumes).create({
    metadata: { name: 'kept' },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'kept',
      hostPath: { path: '/nowhere' },
    },
  });
  const containers = [{ name: 'c', image: 'x' }];
  const volumes = [{ name: 'data', ephemeral: { volumeClaimTemplate: { spec: claimSpec } } }];
  await admin.of(pods).create({
    metadata: { namespace: 'kept', name: 'user' },
    spec: { containers, volumes, nodeName: 'nowhere' },
  });
  const ref = { namespace: 'kept', name: 'user-data' };
  const claimOrGone = () =>
    admin
      .of(persistentVolumeClaims)
      .get(ref)
      .catch(() => undefined);
  const claim = await eventually('the claim of the pod', async () => {
    const found = await claimOrGone();
    return found?.status?.phase === 'Bound' ? found : undefined;
  });
  expect(claim.metadata.ownerReferences).toMatchObject([{ kind: 'Pod', name: 'user', controller: true }]);
  expect(claim.metadata.finalizers).toEqual(['kubernetes.io/pvc-protection']);
  await eventually('the volume to be kept', async () => {
    const { metadata, status } = await admin.of(persistentVolumes).get({ name: 'kept' });
    const isProtected = metadata.finalizers?.includes('kubernetes.io/pv-protection') === true;
    return isProtected && status?.phase === 'Bound' ? true : undefined;
  });
  await admin.of(persistentVolumeClaims).delete(ref);
  await admin.of(persistentVolumes).delete({ name: 'kept' });
  // Both wait: the pod has the claim, and the claim the volume.
  expect((await claimOrGone())?.metadata.deletionTimestamp).toBeDefined();
  expect((await admin.of(persistentVolumes).get({ name: 'kept' })).metadata.finalizers).toEqual([
    'kubernetes.io/pv-protection',
  ]);
  await admin.of(pods).delete({ namespace: 'kept', name: 'user' }, { gracePeriodSeconds: 0 });
  await eventually('all to go', async () => {
    const volume = await admin
      .of(persistentVolumes)
      .get({ name: 'kept' })
      .catch(() => undefined);
    return volume === undefined && (await claimOrGone()) === undefined ? true : undefined;
  });
});

test('a volume of a CSI driver is attached to the node of its pod, kept while the node uses it, and goes to another node then', async () => {
  await makeNamespace('csi');
  // Nothing of the node's life here: its silence would evict the pods.
  const annotations = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' };
  for (const name of ['csi-1', 'csi-2']) {
    const ready = { type: 'Ready', status: 'True', lastHeartbeatTime: new Date().toISOString() };
    await admin.of(nodes).create({ metadata: { name, annotations }, status: { conditions: [ready] } } as never);
  }
  const shared = { accessModes: ['ReadWriteOnce'], storageClassName: 'csi' };
  await admin.of(persistentVolumes).create({
    metadata: { name: 'far' },
    spec: { ...shared, capacity: { storage: '1Gi' }, csi: { driver: 'd.example', volumeHandle: 'h' } },
  });
  await admin.of(persistentVolumeClaims).create({
    metadata: { namespace: 'csi', name: 'data' },
    spec: { ...shared, resources: { requests: { storage: '1Gi' } } },
  });
  const use = (name: string, nodeName: string) =>
    admin.of(pods).create({
      metadata: { namespace: 'csi', name },
      spec: {
        nodeName,
        containers: [{ name: 'c', image: 'x' }],
        tolerations: [{ operator: 'Exists' }],
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }],
      },
    });
  const attachmentOn = async (nodeName: string) =>
    (await admin.of(volumeAttachments).list()).items.find(({ spec }) => spec.nodeName === nodeName);
  const volumesInUse = ['kubernetes.io/csi/d.example^h'];
  const report = (inUse: string[]) =>
    admin
      .of(nodes)
      .patch({ name: 'csi-1' }, { status: { volumesInUse: inUse } }, { type: 'merge', subresource: 'status' });

  await use('one', 'csi-1');
  const made = await eventually('the attachment', () => attachmentOn('csi-1'));
  expect(made.metadata.name).toMatch(/^csi-[0-9a-f]{64}$/);
  expect(made.spec).toEqual({ attacher: 'd.example', nodeName: 'csi-1', source: { persistentVolumeName: 'far' } });
  await report(volumesInUse);
  await admin.of(volumeAttachments).updateStatus({ ...made, status: { attached: true } });
  await eventually('the node to be told', async () => {
    const attached = (await admin.of(nodes).get({ name: 'csi-1' })).status?.volumesAttached;
    return attached?.[0]?.name === volumesInUse[0] ? true : undefined;
  });

  await use('two', 'csi-2');
  await eventually('the word of the second pod', async () =>
    (await admin.of(events).list({ namespace: 'csi' })).items.find(
      ({ reason, message, involvedObject }) =>
        reason === 'FailedAttachVolume' &&
        involvedObject.name === 'two' &&
        message === 'Multi-Attach error for volume "far" Volume is already used by pod(s) one',
    ),
  );
  await admin.of(pods).delete({ namespace: 'csi', name: 'one' }, { gracePeriodSeconds: 0 });
  await admin.of(nodes).patch({ name: 'csi-1' }, { metadata: { labels: { seen: 'yes' } } }, { type: 'merge' });
  // Its node uses it still.
  expect((await attachmentOn('csi-1'))?.metadata.deletionTimestamp).toBeUndefined();
  expect(await attachmentOn('csi-2')).toBeUndefined();
  await report([]);
  await eventually('the other attachment', () => attachmentOn('csi-2'));
  expect(await attachmentOn('csi-1')).toBeUndefined();
  expect((await admin.of(nodes).get({ name: 'csi-1' })).status?.volumesAttached).toBeUndefined();
  await admin.of(pods).delete({ namespace: 'csi', name: 'two' }, { gracePeriodSeconds: 0 });
  await eventually('the detachment', async () => ((await attachmentOn('csi-2')) === undefined ? true : undefined));
  for (const name of ['csi-1', 'csi-2']) await admin.of(nodes).delete({ name });
});

test('a service gets its endpoints, and loses those of pods that end', async () => {
  await makeNamespace('d');
  await admin.of(deployments).create(deployment('d', 'x', 2));
  const spec = { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] };
  await admin.of(services).create({ metadata: { namespace: 'd', name: 'web' }, spec } as Service);
  const ready = await eventually('ready endpoints', async () => {
    await runPods('d');
    const { items } = await admin.of(endpointSlices).list({ namespace: 'd' });
    const all = items.flatMap(slice => slice.endpoints ?? []);
    return all.length === 2 && all.every(e => e.conditions?.ready === true) ? items : undefined;
  });
  expect(ready[0]?.ports).toMatchObject([{ port: 8080, protocol: 'TCP' }]);
  await eventually('endpoints', async () => {
    const found = await admin.of(endpoints).get({ namespace: 'd', name: 'web' });
    return found.subsets?.[0]?.addresses?.length === 2 ? true : undefined;
  });
  await admin.of(deployments).patch({ namespace: 'd', name: 'web' }, { spec: { replicas: 0 } }, { type: 'merge' });
  await eventually('no endpoints', async () => {
    const { items } = await admin.of(endpointSlices).list({ namespace: 'd' });
    return items.length === 1 && (items[0]?.endpoints ?? []).length === 0 ? true : undefined;
  });
});

test('Endpoints that a user wrote become slices, which follow them and go with them', async () => {
  await makeNamespace('mirror');
  await admin.of(services).create({ metadata: { namespace: 'mirror', name: 's' }, spec: { ports: [{ port: 80 }] } });
  const subsets = [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 8080 }] }];
  const made = await admin.of(endpoints).create({ metadata: { namespace: 'mirror', name: 's' }, subsets });
  const addresses = async (): Promise<string> => {
    const { items } = await admin.of(endpointSlices).list({ namespace: 'mirror' });
    return items.flatMap(slice => (slice.endpoints ?? []).flatMap(endpoint => endpoint.addresses)).join();
  };
  const are = (want: string) => eventually(want, async () => ((await addresses()) === want ? true : undefined));
  await are('192.0.2.1');
  const changed = [{ addresses: [{ ip: '192.0.2.2' }], ports: [{ port: 8080 }] }];
  await admin.of(endpoints).update({ ...made, subsets: changed });
  await are('192.0.2.2');
  await admin.of(endpoints).delete({ namespace: 'mirror', name: 's' });
  await are('');
});

test('at rest the controllers ask nothing, and nothing they did was refused', () => all.expectRest());
