/** The conditions and the certificate of a request. Source: Kubernetes `pkg/apis/certificates/validation` and `pkg/registry/certificates`, 1.36. */
import { X509Certificate } from 'node:crypto';
import {
  duplicateError,
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { fromPem } from '../../../../machinery/pki/certificate.ts';
import type {
  CertificateSigningRequest as Request,
  CertificateSigningRequestCondition as Condition,
} from '../../../../proto/api/certificates-v1.ts';

const CONDITIONS = FieldPath.of('status', 'conditions');
const DECISIONS = ['Approved', 'Denied'] as const;
const ALWAYS_TRUE = [...DECISIONS, 'Failed'] as const;

/** @param may what this subresource is for: to decide, or to hand out the certificate */
export function requestStatusErrors(request: Request, older: Request, may: 'decide' | 'issue'): FieldError[] {
  const errors: FieldError[] = [];
  const was = older.status?.conditions ?? [];
  const conditions = request.status?.conditions ?? [];
  checkConditions(errors, conditions, was);
  for (const type of ALWAYS_TRUE)
    if (ofType(conditions, type).length < ofType(was, type).length)
      errors.push(forbiddenError(CONDITIONS, `updates may not remove a condition of type "${type}"`));
  if (may === 'decide') return errors;
  for (const type of DECISIONS) {
    const [next, before] = [ofType(conditions, type), ofType(was, type)];
    if (next.length > before.length)
      errors.push(forbiddenError(CONDITIONS, `updates may not add a condition of type "${type}"`));
    else if (next.length === before.length && !jsonEquals(next, before))
      errors.push(forbiddenError(CONDITIONS, `updates may not modify a condition of type "${type}"`));
  }
  checkCertificate(errors, request.status?.certificate ?? '', older.status?.certificate ?? '');
  return errors;
}

/** Conditions say since when they hold, also where their author does not. */
export function stampConditions(request: Request, older: Request, nowMs: number): void {
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
  for (const condition of request.status?.conditions ?? []) {
    const held = ofType(older.status?.conditions ?? [], condition.type).filter(was => was.status === condition.status);
    const same = held.find(was => was.reason === condition.reason && was.message === condition.message);
    condition.lastTransitionTime ??= held[0]?.lastTransitionTime ?? now;
    condition.lastUpdateTime ??= same?.lastUpdateTime ?? now;
  }
}

function checkConditions(errors: FieldError[], conditions: readonly Condition[], was: readonly Condition[]): void {
  const wasBoth = DECISIONS.every(type => ofType(was, type).length > 0);
  const seen = new Set<string>();
  for (const [i, { type, status }] of conditions.entries()) {
    const at = CONDITIONS.index(i);
    if (type === '') errors.push(requiredError(at.child('type')));
    const statuses = ALWAYS_TRUE.some(one => one === type) ? ['True'] : ['False', 'True', 'Unknown'];
    if (status === undefined || status === '') errors.push(requiredError(at.child('status')));
    else if (!statuses.includes(status)) errors.push(notSupportedError(at.child('status'), status, statuses));
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (!wasBoth && other !== undefined && seen.has(other))
      errors.push(invalidError(at.child('type'), type, 'Approved and Denied conditions are mutually exclusive'));
    if (seen.has(type)) errors.push(duplicateError(at.child('type'), type));
    seen.add(type);
  }
}

function checkCertificate(errors: FieldError[], certificate: string, older: string): void {
  if (certificate === older) return;
  const at = FieldPath.of('status', 'certificate');
  const problem = certificateProblem(certificate);
  if (problem !== undefined && certificateProblem(older) === undefined)
    errors.push(invalidError(at, '<certificate data>', problem));
  if (older !== '') errors.push(forbiddenError(at, 'updates may not modify existing certificate content'));
}

function certificateProblem(base64: string): string | undefined {
  const pem = Buffer.from(base64, 'base64').toString('latin1');
  if (pem === '') return undefined;
  const blocks = [...pem.matchAll(/-----BEGIN ([^\n-]*)-----\r?\n([\s\S]*?)-----END \1-----/g)];
  if (blocks.length === 0) return 'must contain at least one CERTIFICATE PEM block';
  for (const [block, label = '', body = ''] of blocks) {
    if (label !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found "${label}"`;
    if (body.includes(':')) return 'no PEM block headers are permitted';
    try {
      new X509Certificate(fromPem('CERTIFICATE', block) ?? Buffer.of());
    } catch {
      return 'x509: malformed certificate';
    }
  }
  return undefined;
}

function ofType(conditions: readonly Condition[], type: string): Condition[] {
  return conditions.filter(condition => condition.type === type);
}
