/** CertificateSigningRequests. Source: Kubernetes `pkg/apis/certificates`, `pkg/registry/certificates`, 1.36. */
import {
  duplicateError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { fromPem } from '../../../../machinery/pki/certificate.ts';
import { readDer } from '../../../../machinery/pki/der.ts';
import type { CertificateSigningRequest } from '../../../../proto/api/certificates-v1.ts';
import { apiTable } from '../../../../proto/api/schema.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { humanDuration } from '../columns/age.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { pathSegmentName } from '../rbac/path-segment-name.ts';
import { checkShape } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { requestStatusErrors, stampConditions } from './request-status.ts';
import { checkSignerName } from './signer-name.ts';

const SPEC = FieldPath.of('spec');
const USAGES = [...(apiTable['api/certificates/v1']?.['KeyUsage']?.enum ?? [])].sort();
const MIN_SECONDS = 600;
export const certificateSigningRequestStrategy: Strategy<CertificateSigningRequest> = {
  info: kindInfo('certificates.k8s.io', 'CertificateSigningRequest'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', 'Who is asked to sign.', csr => csr.spec.signerName || '<none>'),
    column('Requestor', 'Who asks.', csr => csr.spec.username ?? ''),
    column('RequestedDuration', 'How long the certificate should be valid.', csr =>
      csr.spec.expirationSeconds === undefined ? '<none>' : humanDuration(csr.spec.expirationSeconds * 1000),
    ),
    column('Condition', 'What was decided.', stateOf),
  ],
  allowUnconditionalUpdate: true,
  validateName: pathSegmentName,
  selectableFields: csr => ({ 'spec.signerName': csr.spec.signerName ?? '' }),
  prepareForCreate(csr, { user }) {
    // Who asks is whoever sent the request, never what the request says.
    csr.spec.username = user.name;
    csr.spec.groups = [...user.groups];
    if (user.uid === undefined) delete csr.spec.uid;
    else csr.spec.uid = user.uid;
    if (user.extra === undefined) delete csr.spec.extra;
    else csr.spec.extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
    csr.status = {};
  },
  prepareForUpdate(csr, older) {
    csr.spec = older.spec;
    if (older.status === undefined) delete csr.status;
    else csr.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    if (spec.request === undefined || spec.request === '') errors.push(requiredError(SPEC.child('request')));
    else checkShape(errors, SPEC.child('request'), spec.request, requestProblems);
    const usages = spec.usages ?? [];
    if (usages.length === 0) errors.push(requiredError(SPEC.child('usages'), 'usages must be provided'));
    const seen = new Set<string>();
    for (const [i, usage] of usages.entries()) {
      if (!USAGES.includes(usage)) errors.push(notSupportedError(SPEC.child('usages').index(i), usage, USAGES));
      if (seen.has(usage)) errors.push(duplicateError(SPEC.child('usages').index(i), usage));
      seen.add(usage);
    }
    checkSignerName(errors, SPEC.child('signerName'), spec.signerName);
    const seconds = spec.expirationSeconds;
    if (seconds !== undefined && seconds < MIN_SECONDS) {
      errors.push(
        invalidError(
          SPEC.child('expirationSeconds'),
          seconds,
          `may not specify a duration less than ${MIN_SECONDS} seconds (10 minutes)`,
        ),
      );
    }
    return errors;
  },
  status: {
    prepareForUpdate(csr, older, { nowMs }) {
      keepSpec(csr, older);
      stampConditions(csr, older, nowMs);
    },
    validateUpdate: (csr, older) => requestStatusErrors(csr, older, 'issue'),
  },
  subresources: {
    approval: {
      prepareForUpdate(csr, older, { nowMs }) {
        keepSpec(csr, older);
        const { conditions } = csr.status ?? {};
        csr.status = { ...older.status, ...(conditions === undefined ? {} : { conditions }) };
        stampConditions(csr, older, nowMs);
      },
      validateUpdate: (csr, older) => requestStatusErrors(csr, older, 'decide'),
    },
  },
};

/** Whether the text is PEM of a request at all; who may have what is for signers to say. */
function requestProblems(base64: string): string[] {
  const bytes = fromPem('CERTIFICATE REQUEST', Buffer.from(base64, 'base64').toString('latin1'));
  if (bytes === undefined) return ['PEM block type must be CERTIFICATE REQUEST'];
  try {
    return readDer(bytes).whole.length === bytes.length ? [] : ['asn1: syntax error: trailing data'];
  } catch {
    return ['asn1: structure error: not a certificate request'];
  }
}

function stateOf(csr: CertificateSigningRequest): string {
  const conditions = csr.status?.conditions ?? [];
  const has = (type: string): boolean => conditions.some(condition => condition.type === type);
  const words = has('Denied') ? ['Denied'] : has('Approved') ? ['Approved'] : ['Pending'];
  if (has('Failed')) words.push('Failed');
  if (csr.status?.certificate) words.push('Issued');
  return words.join(',');
}
