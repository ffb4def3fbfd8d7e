/**
 * Gives each pod its service account, and the volume through which its containers find the API: token, CA and namespace.
 * Source: kubernetes `plugin/pkg/admission/serviceaccount`.
 */
import { absent } from '../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { randomSuffix } from '../../../machinery/meta/name-hash.ts';
import { forbidden } from '../../../machinery/meta/status-error.ts';
import type { Container, Pod, PodSpec, ServiceAccount, Volume } from '../../../proto/api/core-v1.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const MIRROR = 'kubernetes.io/config.mirror';
/** An hour and seven seconds: recognisable, so that the token subresource may stretch it. */
const TOKEN_SECONDS = 3607;
/** In a new namespace a pod may be faster than the controller that makes this account: it waits for it so long. */
const DEFAULT_ACCOUNT = 'default';
const DEFAULT_ACCOUNT_WAIT_MS = 1_500;

export function serviceAccountAdmission(accounts: ResourceStorage<ServiceAccount>, clock: Clock): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    handles: (operation, { storedInfo }, subresource) =>
      operation === 'CREATE' && storedInfo.group === '' && storedInfo.resource === 'pods' && subresource === '',
    async admit(request) {
      const pod = request.object as Pod;
      const spec = pod.spec;
      if (spec === undefined) return;
      if (pod.metadata.annotations?.[MIRROR] !== undefined) return checkMirror(request, spec);
      spec.serviceAccountName = spec.serviceAccountName || spec.serviceAccount || DEFAULT_ACCOUNT;
      spec.serviceAccount = spec.serviceAccountName;
      const account = await find(accounts, clock, request, spec.serviceAccountName);
      if ((spec.imagePullSecrets ?? []).length === 0 && (account.imagePullSecrets ?? []).length > 0) {
        spec.imagePullSecrets = (account.imagePullSecrets ?? []).map(secret => ({ ...secret }));
      }
      if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec);
    },
  };
}

async function find(
  accounts: ResourceStorage<ServiceAccount>,
  clock: Clock,
  request: AdmissionRequest,
  name: string,
): Promise<ServiceAccount> {
  const { namespace, resource } = request;
  let found = accounts.peek(namespace, name);
  found ??= await accounts.get(namespace, name).catch(absent);
  if (found !== undefined) return found.object;
  const late = name === DEFAULT_ACCOUNT ? await awaited(accounts, clock, namespace) : undefined;
  if (late !== undefined) return late;
  const why = `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`;
  throw forbidden(groupResource(resource.info), request.name, why);
}

/** The default account of `namespace` once it is there; undefined when nobody makes it in time. */
async function awaited(
  accounts: ResourceStorage<ServiceAccount>,
  clock: Clock,
  namespace: string,
): Promise<ServiceAccount | undefined> {
  const over = new AbortController();
  const cancel = clock.after(DEFAULT_ACCOUNT_WAIT_MS, () => over.abort());
  try {
    const watch = await accounts.watch({ namespace, name: DEFAULT_ACCOUNT, signal: over.signal });
    for await (const batch of watch) {
      const made = batch.find(event => event.type === 'ADDED');
      if (made !== undefined) return made.object;
    }
    return undefined;
  } finally {
    cancel();
    over.abort();
  }
}

function checkMirror({ resource, name }: AdmissionRequest, spec: PodSpec): void {
  if (spec.serviceAccountName)
    throw forbidden(groupResource(resource.info), name, 'a mirror pod may not reference service accounts');
  if ((spec.volumes ?? []).some(v => v.secret !== undefined))
    throw forbidden(groupResource(resource.info), name, 'a mirror pod may not reference secrets');
}

function mountToken(spec: PodSpec): void {
  const mounted = (container: Container): boolean =>
    (container.volumeMounts ?? []).some(m => m.mountPath === MOUNT_PATH);
  const containers = [...(spec.initContainers ?? []), ...spec.containers].filter(container => !mounted(container));
  if (containers.length === 0) return;
  let volume = (spec.volumes ?? []).find(v => v.name.startsWith('kube-api-access-'));
  if (volume === undefined) {
    volume = tokenVolume(`kube-api-access-${randomSuffix()}`);
    spec.volumes = [...(spec.volumes ?? []), volume];
  }
  for (const container of containers) {
    container.volumeMounts = [
      ...(container.volumeMounts ?? []),
      { name: volume.name, readOnly: true, mountPath: MOUNT_PATH },
    ];
  }
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 0o644,
    },
  } as Volume;
}
