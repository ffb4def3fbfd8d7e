/**
 * Whether a certificate request of a node is to be approved, and what is signed. Pure: the request's content comes parsed.
 * Source: upstream `pkg/controller/certificates/{approver,signer}` and `pkg/apis/certificates/helpers.go`.
 */
import type { CertificateSigningRequest } from '../../../proto/api/certificates-v1.ts';
import type { Node } from '../../../proto/api/core-v1.ts';
import { parseTime } from '../../../machinery/meta/time.ts';

export const KUBELET_CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet';
export const KUBELET_SERVING = 'kubernetes.io/kubelet-serving';
export const API_CLIENT = 'kubernetes.io/kube-apiserver-client';
const NODES_GROUP = 'system:nodes';
const NODE_USER = 'system:node:';
const KEY_USAGES: readonly string[] = ['digital signature', 'key encipherment'];
const OTHER_NAMES = 'Email and URI subjectAltNames are not allowed';

/** The content of a request, as its signature-checked PKCS #10 says it. */
export interface RequestContent {
  subject: { commonName: string; organizations: readonly string[] };
  dnsNames: readonly string[];
  ipAddresses: readonly string[];
  hasOtherNames: boolean;
}

const HOUR_MS = 3_600_000;
/** As upstream's cleaner: what was decided stays for an hour, what nobody decided for a day. */
const DECIDED_MS = HOUR_MS;
const PENDING_MS = 24 * HOUR_MS;

/**
 * From when on a request has done its service, in milliseconds since the epoch; undefined: it is needed.
 *
 * @param expiresMs of the certificate that was issued, if one was
 */
export function cleanedAtMs(csr: CertificateSigningRequest, expiresMs: number | undefined): number | undefined {
  const conditions = csr.status?.conditions ?? [];
  if (conditions.length === 0) return after(csr.metadata.creationTimestamp, PENDING_MS);
  const isIssued = (csr.status?.certificate ?? '') !== '';
  const due: number[] = [];
  for (const { type, lastUpdateTime } of conditions) {
    const isOver = type === 'Denied' || type === 'Failed' || (type === 'Approved' && isIssued);
    const atMs = isOver ? after(lastUpdateTime, DECIDED_MS) : undefined;
    if (atMs !== undefined) due.push(atMs);
    if (type === 'Approved' && expiresMs !== undefined) due.push(expiresMs);
  }
  return due.length === 0 ? undefined : Math.min(...due);
}

function after(time: string | undefined, ms: number): number | undefined {
  const atMs = parseTime(time ?? '');
  return atMs === undefined ? undefined : atMs + ms;
}

/** By what names nodes are reached, as their Node objects tell. */
interface NodeNames {
  /** Of the node that asks: its name and addresses. undefined: it did not register yet, as one that joins just now. */
  readonly own: ReadonlySet<string> | undefined;
  /** Of all other nodes, and of what is no node. In small letters. */
  readonly others: ReadonlySet<string>;
}

/** Nodes cannot give it to themselves. */
const CONTROL_PLANE = 'node-role.kubernetes.io/control-plane';

/**
 * @param reserved names of the API server: no node may have them, whatever it says of itself, but for those of the control plane, whose
 *   machines may be meant
 */
export function nodeNames(
  { subject }: Pick<RequestContent, 'subject'>,
  nodes: readonly Node[],
  reserved: readonly string[],
): NodeNames {
  const namesOf = ({ metadata, status }: Node): string[] => [
    metadata.name ?? '',
    ...(status?.addresses ?? []).map(({ address }) => address),
  ];
  const node = nodes.find(({ metadata }) => `${NODE_USER}${metadata.name}` === subject.commonName);
  const isControlNode = node?.metadata.labels?.[CONTROL_PLANE] !== undefined;
  const others = [...nodes.filter(other => other !== node).flatMap(namesOf), ...(isControlNode ? [] : reserved)];
  return { own: node && new Set(namesOf(node)), others: new Set(others.map(name => name.toLowerCase())) };
}

/**
 * Differs: upstream asks a SubjectAccessReview whether the requester may have it approved; here the requester's groups decide (bootstrappers for a
 * first certificate, a node for its own next one). Who may make requests at all is what authorization decides.
 */
export function planApproval(
  csr: CertificateSigningRequest,
  content: RequestContent,
  names: NodeNames,
): 'approve' | 'leave' {
  if (csr.spec.signerName === KUBELET_CLIENT)
    return isNodeClient(csr, content) && mayBecome(csr, content) ? 'approve' : 'leave';
  if (csr.spec.signerName !== KUBELET_SERVING || !isNodeServing(csr, content)) return 'leave';
  return [...content.dnsNames, ...content.ipAddresses].every(name => isOwn(name, content, names)) ? 'approve' : 'leave';
}

/** A node that did not register yet may have its own name, and any address that is nobody's: it could register with the same. */
function isOwn(name: string, { subject, ipAddresses }: RequestContent, { own, others }: NodeNames): boolean {
  // A node writes its addresses itself: a pattern would be any name.
  if (others.has(name.toLowerCase()) || name.includes('*')) return false;
  return own?.has(name) ?? (ipAddresses.includes(name) || subject.commonName === `${NODE_USER}${name}`);
}

/** Why a request is not signed, in upstream's words; undefined when it may be. */
export function signingProblem(csr: CertificateSigningRequest, content: RequestContent): string | undefined {
  switch (csr.spec.signerName) {
    case KUBELET_CLIENT:
      return clientProblem(csr, content);
    case KUBELET_SERVING:
      return servingProblem(csr, content);
    case API_CLIENT: {
      const usages: readonly string[] = csr.spec.usages ?? [];
      const wrong = usages.find(usage => usage !== 'client auth' && !KEY_USAGES.includes(usage));
      if (wrong !== undefined) return `invalid usage for client certificate: ${wrong}`;
      return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
    }
    default:
      return undefined;
  }
}

function clientProblem(csr: CertificateSigningRequest, content: RequestContent): string | undefined {
  const { subject, dnsNames, ipAddresses, hasOtherNames } = content;
  if (!isOfNodes(subject)) return 'subject organization is not system:nodes';
  if (dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  if (hasOtherNames) return OTHER_NAMES;
  return nameProblem(subject) ?? usageProblem(csr, 'client auth');
}

function servingProblem(csr: CertificateSigningRequest, content: RequestContent): string | undefined {
  const { subject, dnsNames, ipAddresses, hasOtherNames } = content;
  if (!isOfNodes(subject)) return 'subject organization is not system:nodes';
  if (dnsNames.length + ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  if (hasOtherNames) return OTHER_NAMES;
  return usageProblem(csr, 'server auth') ?? nameProblem(subject);
}

function nameProblem({ commonName }: RequestContent['subject']): string | undefined {
  const isNode = commonName.startsWith(NODE_USER) && commonName.length > NODE_USER.length;
  return isNode ? undefined : `subject common name does not begin with ${NODE_USER}`;
}

/** With keys that are not RSA there is nothing to encipher. */
function usageProblem(csr: CertificateSigningRequest, purpose: string): string | undefined {
  const usages: readonly string[] = csr.spec.usages ?? [];
  const isAllowed = usages.includes(purpose) && usages.every(usage => usage === purpose || KEY_USAGES.includes(usage));
  const required = [purpose, ...KEY_USAGES].sort();
  return isAllowed ? undefined : `usages did not match [${required.join(' ')}]`;
}

function isNodeClient(csr: CertificateSigningRequest, content: RequestContent): boolean {
  return clientProblem(csr, content) === undefined;
}

function isNodeServing(csr: CertificateSigningRequest, content: RequestContent): boolean {
  const isItself = csr.spec.username === content.subject.commonName && csr.spec.groups?.includes(NODES_GROUP) === true;
  return isItself && servingProblem(csr, content) === undefined;
}

/** A node renews its own certificate; a machine that joins asks for its first. */
function mayBecome(csr: CertificateSigningRequest, content: RequestContent): boolean {
  const groups = csr.spec.groups ?? [];
  const renews = csr.spec.username === content.subject.commonName && groups.includes(NODES_GROUP);
  return renews || groups.includes('system:bootstrappers');
}

function isOfNodes({ organizations }: RequestContent['subject']): boolean {
  return organizations.length === 1 && organizations[0] === NODES_GROUP;
}
