/**
 * Which credentials an image was pulled with, so that a pod uses an image that is there only if it could have pulled it itself.
 * Source: kubernetes.io/docs, "Ensure image pull credential verification"; KEP-2535; `pkg/kubelet/images/pullmanager` 1.36.
 */
import { credentialHash, type ImageCredential, type ObjectCoordinates } from './image-credentials.ts';
import { rfc3339 } from '../../plan/time-format.ts';

const RECORD_VERSION = 'kubelet.config.k8s.io/v1alpha1';

/** Written before a pull begins: what is there of that name afterwards came by the kubelet. */
export interface ImagePullIntent {
  readonly kind: 'ImagePullIntent';
  readonly apiVersion: typeof RECORD_VERSION;
  /** Full name with domain, and tag or digest. */
  readonly image: string;
}

/** Of one image that the kubelet pulled. */
export interface ImagePulledRecord {
  readonly kind: 'ImagePulledRecord';
  readonly apiVersion: typeof RECORD_VERSION;
  readonly lastUpdatedTime: string;
  /** The image's id. */
  readonly imageRef: string;
  /** By `domain/path`. An empty entry grants nothing: whoever wants to use it pulls. */
  readonly credentialMapping?: Readonly<Record<string, ImagePullCredentials>>;
}

/** Who may use an image. */
export interface ImagePullCredentials {
  /** Pulled without credentials, or with the node's: every pod here. */
  readonly nodePodsAccessible?: boolean;
  readonly kubernetesSecrets?: readonly PullSecret[];
  readonly kubernetesServiceAccounts?: readonly ObjectCoordinates[];
}

export interface PullSecret extends ObjectCoordinates {
  readonly credentialHash: string;
}

/** So many secrets of one image are learnt by looking alone; pulls add to them beyond. */
const LEARNT_SECRETS = 100;

export function newIntent(image: string): ImagePullIntent {
  return { kind: 'ImagePullIntent', apiVersion: RECORD_VERSION, image };
}

/** @returns undefined for what is no such file */
export function parseIntent(text: string): ImagePullIntent | undefined {
  const intent = parse(text, 'ImagePullIntent') as Partial<ImagePullIntent> | undefined;
  return typeof intent?.image === 'string' ? (intent as ImagePullIntent) : undefined;
}

/** @returns undefined for what is no such file */
export function parseRecord(text: string): ImagePulledRecord | undefined {
  const record = parse(text, 'ImagePulledRecord') as Partial<ImagePulledRecord> | undefined;
  const grants = Object.values(record?.credentialMapping ?? {});
  const isWhole = typeof record?.imageRef === 'string' && typeof record.lastUpdatedTime === 'string';
  return isWhole && grants.every(isGrant) ? (record as ImagePulledRecord) : undefined;
}

function isGrant(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { kubernetesSecrets = [], kubernetesServiceAccounts = [] } = value as ImagePullCredentials;
  return [kubernetesSecrets, kubernetesServiceAccounts].every(
    list => Array.isArray(list) && list.every(item => typeof item === 'object' && item !== null),
  );
}

function parse(text: string, kind: string): object | undefined {
  try {
    const value = JSON.parse(text) as { kind?: unknown; apiVersion?: unknown } | null;
    return value?.kind === kind && value.apiVersion === RECORD_VERSION ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The record after a pull; the same object if it tells that already.
 * @param credential what was logged in with: undefined for nothing, `unknown` for a pull whose end nobody saw
 */
export function afterPull(
  record: ImagePulledRecord | undefined,
  imageRef: string,
  repository: string,
  credential: ImageCredential | undefined | 'unknown',
  nowMs: number,
): ImagePulledRecord {
  const lastUpdatedTime = rfc3339(nowMs);
  const known = record?.credentialMapping?.[repository];
  const next = credential === 'unknown' ? (known ?? {}) : merge(known, credential);
  if (record !== undefined && next === known) return record;
  const credentialMapping = { ...record?.credentialMapping, [repository]: next };
  return { kind: 'ImagePulledRecord', apiVersion: RECORD_VERSION, lastUpdatedTime, imageRef, credentialMapping };
}

function merge(known: ImagePullCredentials | undefined, credential: ImageCredential | undefined): ImagePullCredentials {
  if (known?.nodePodsAccessible === true) return known;
  if (credential === undefined || credential.source.kind === 'node') return { nodePodsAccessible: true };
  if (credential.source.kind === 'serviceAccount') {
    const account = coordinates(credential.source);
    const accounts = known?.kubernetesServiceAccounts ?? [];
    if (known !== undefined && accounts.some(other => sameObject(other, account))) return known;
    return { ...known, kubernetesServiceAccounts: [...accounts, account].sort(byPlace) };
  }
  const secret = pullSecret(credential);
  const secrets = known?.kubernetesSecrets ?? [];
  if (known !== undefined && secrets.some(other => sameObject(other, secret) && sameHash(other, secret))) return known;
  const others = secrets.filter(other => !sameObject(other, secret));
  return { ...known, kubernetesSecrets: [...others, secret].sort(byPlace) };
}

/**
 * Whether a pod with these credentials may use the image without a pull.
 * @returns the credential that says so, with `learnt` if the record should be told of it; undefined: it must pull
 */
export function grantOf(
  granted: ImagePullCredentials,
  credentials: readonly ImageCredential[],
): { readonly credential: ImageCredential; readonly learnt: boolean } | undefined {
  const secrets = granted.kubernetesSecrets ?? [];
  for (const credential of credentials) {
    if (credential.source.kind !== 'secret') continue;
    const own = pullSecret(credential);
    // The same words in another secret, or the same secret with words that changed since.
    const known = secrets.find(other => sameHash(other, own) || sameObject(other, own));
    if (known === undefined) continue;
    const isExact = sameHash(known, own) && sameObject(known, own);
    if (!sameHash(known, own) && secrets.length >= LEARNT_SECRETS) continue;
    return { credential, learnt: !isExact && secrets.length < LEARNT_SECRETS };
  }
  const account = credentials.find(
    ({ source }) =>
      source.kind === 'serviceAccount' &&
      (granted.kubernetesServiceAccounts ?? []).some(other => sameObject(other, source)),
  );
  return account === undefined ? undefined : { credential: account, learnt: false };
}

function pullSecret({ login, source }: ImageCredential): PullSecret {
  if (source.kind === 'node') throw new TypeError("the node's credentials are no secret of the API");
  return { ...coordinates(source), credentialHash: credentialHash(login) };
}

function coordinates({ uid, namespace, name }: ObjectCoordinates): ObjectCoordinates {
  return { uid, namespace, name };
}

function sameObject(a: ObjectCoordinates, b: ObjectCoordinates): boolean {
  return a.uid === b.uid && a.namespace === b.namespace && a.name === b.name;
}

function sameHash(a: PullSecret, b: PullSecret): boolean {
  return a.credentialHash !== '' && a.credentialHash === b.credentialHash;
}

function byPlace(a: ObjectCoordinates, b: ObjectCoordinates): number {
  const key = (o: ObjectCoordinates): string => `${o.namespace}\0${o.name}\0${o.uid}`;
  return key(a) < key(b) ? -1 : 1;
}
