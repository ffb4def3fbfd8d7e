/**
 * Whether a certificate request of a node is to be approved, and what is signed. Pure: the request's content comes parsed.
 * Source: upstream `pkg/controller/certificates/{approver,signer}` and `pkg/apis/certificates/helpers.go`.
 */
import type { CertificateSigningRequest } from '../../../proto/api/certificates-v1.ts';

export const KUBELET_CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet';
export const KUBELET_SERVING = 'kubernetes.io/kubelet-serving';
export const API_CLIENT = 'kubernetes.io/kube-apiserver-client';
const NODES_GROUP = 'system:nodes';
const NODE_USER = 'system:node:';

/** The content of a request, as its signature-checked PKCS #10 says it. */
export interface RequestContent {
  subject: { commonName: string; organizations: readonly string[] };
  dnsNames: readonly string[];
  ipAddresses: readonly string[];
  hasOtherNames: boolean;
}

/** By what names nodes are reached, as their Node objects tell. */
export interface NodeNames {
  /** Of the node that asks: its name and addresses. undefined: it did not register yet, as one that joins just now. */
  readonly own: ReadonlySet<string> | undefined;
  /** Of all other nodes. */
  readonly others: ReadonlySet<string>;
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
  if (others.has(name)) return false;
  return own?.has(name) ?? (ipAddresses.includes(name) || subject.commonName === `${NODE_USER}${name}`);
}

/** Why a request is not signed; undefined when it may be. */
export function signingProblem(csr: CertificateSigningRequest, content: RequestContent): string | undefined {
  switch (csr.spec.signerName) {
    case KUBELET_CLIENT:
      return isNodeClient(csr, content) ? undefined : 'request is not for a kubelet client certificate of its node';
    case KUBELET_SERVING:
      return isNodeServing(csr, content) ? undefined : 'request is not for a kubelet serving certificate of its node';
    case API_CLIENT:
      return hasUsages(csr, ['client auth'], ['digital signature', 'key encipherment', 'client auth'])
        ? undefined
        : 'usages must be client auth, digital signature and key encipherment at most';
    default:
      return undefined;
  }
}

function isNodeClient(csr: CertificateSigningRequest, content: RequestContent): boolean {
  const { subject, dnsNames, ipAddresses, hasOtherNames } = content;
  if (dnsNames.length + ipAddresses.length > 0 || hasOtherNames || !isNodeSubject(subject)) return false;
  return hasUsages(csr, ['client auth'], ['digital signature', 'key encipherment', 'client auth']);
}

function isNodeServing(csr: CertificateSigningRequest, content: RequestContent): boolean {
  const { subject, dnsNames, ipAddresses, hasOtherNames } = content;
  if (dnsNames.length + ipAddresses.length === 0 || hasOtherNames || !isNodeSubject(subject)) return false;
  if (csr.spec.username !== subject.commonName || csr.spec.groups?.includes(NODES_GROUP) !== true) return false;
  return hasUsages(csr, ['server auth'], ['digital signature', 'key encipherment', 'server auth']);
}

/** A node renews its own certificate; a machine that joins asks for its first. */
function mayBecome(csr: CertificateSigningRequest, content: RequestContent): boolean {
  const groups = csr.spec.groups ?? [];
  const renews = csr.spec.username === content.subject.commonName && groups.includes(NODES_GROUP);
  return renews || groups.includes('system:bootstrappers');
}

function isNodeSubject(subject: RequestContent['subject']): boolean {
  const [group, ...more] = subject.organizations;
  return (
    group === NODES_GROUP &&
    more.length === 0 &&
    subject.commonName.startsWith(NODE_USER) &&
    subject.commonName.length > NODE_USER.length
  );
}

function hasUsages(csr: CertificateSigningRequest, needed: readonly string[], allowed: readonly string[]): boolean {
  const usages: readonly string[] = csr.spec.usages ?? [];
  return needed.every(usage => usages.includes(usage)) && usages.every(usage => allowed.includes(usage));
}
