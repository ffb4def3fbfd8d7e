/**
 * Who may approve or sign a certificate request is asked per signer, and nobody gets a client certificate of system:masters.
 * Source: kubernetes `plugin/pkg/admission/certificates/{approval,signing,subjectrestriction}`.
 */
import { forbidden } from '../../../machinery/meta/status-error.ts';
import { parseSigningRequest } from '../../../machinery/pki/signing-request.ts';
import type { CertificateSigningRequest } from '../../../proto/api/certificates-v1.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const GROUP = 'certificates.k8s.io';
const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';

export function certificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    handles: (operation, { info }, subresource) =>
      info.group === GROUP &&
      info.resource === 'certificatesigningrequests' &&
      (operation === 'CREATE'
        ? subresource === ''
        : operation === 'UPDATE' && (subresource === 'approval' || subresource === 'status')),
    async validate(request) {
      if (request.operation === 'CREATE') return checkSubject(request);
      const older = request.older as CertificateSigningRequest;
      const next = request.object as CertificateSigningRequest;
      if (request.subresource === 'status' && older.status?.certificate === next.status?.certificate) return;
      await checkSigner(
        authorizer,
        request,
        request.subresource === 'approval' ? 'approve' : 'sign',
        older.spec.signerName,
      );
    },
  };
}

async function checkSigner(
  authorizer: Authorizer,
  request: AdmissionRequest,
  verb: string,
  signer: string,
): Promise<void> {
  const domain = `${signer.slice(0, Math.max(0, signer.indexOf('/')))}/*`;
  for (const name of [signer, domain]) {
    const { user } = request.context;
    const question = {
      user,
      verb,
      isResource: true,
      group: GROUP,
      version: '*',
      resource: 'signers',
      subresource: '',
      namespace: '',
      name,
      path: '',
    };
    if ((await authorizer.authorize(question)).kind === 'allow') return;
  }
  throw forbidden(
    groupResource(request.resource.info),
    request.name,
    `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`,
  );
}

function checkSubject(request: AdmissionRequest): void {
  const { spec } = request.object as CertificateSigningRequest;
  if (spec.signerName !== CLIENT_SIGNER) return;
  const { subject } = parseSigningRequest(Buffer.from(spec.request, 'base64').toString());
  if (!(subject.organizations ?? []).includes('system:masters')) return;
  throw forbidden(
    groupResource(request.resource.info),
    request.name,
    `use of ${CLIENT_SIGNER} signer with system:masters group is not allowed`,
  );
}
