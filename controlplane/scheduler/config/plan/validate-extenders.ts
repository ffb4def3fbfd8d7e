/** Whether extenders make sense. Source: `validateExtenders` (pkg/scheduler/apis/config/validation), 1.36. */
import {
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { parseDurationMs } from '../../../../machinery/meta/duration.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import { isExtendedResource } from '../../../../machinery/validation/resource-list.ts';
import type { Extender, ExtenderManagedResource } from '../../../../proto/api/kube-scheduler-config-v1.ts';

export function extenderErrors(extenders: readonly Extender[]): FieldError[] {
  const path = FieldPath.of('extenders');
  const managed = new Set<string>();
  const errors = extenders.flatMap((extender, i) => [
    ...urlErrors(path.index(i), extender),
    ...callErrors(path.index(i), extender),
    ...tlsErrors(path.index(i), extender),
    ...(extender.managedResources ?? []).flatMap((resource, j) =>
      resourceErrors(path.index(i).child('managedResources').index(j).child('name'), resource, managed),
    ),
  ]);
  const binders = extenders.filter(({ bindVerb = '' }) => bindVerb !== '').length;
  if (binders > 1)
    errors.push(
      invalidError(path, `found ${binders} extenders implementing bind`, 'only one extender can implement bind'),
    );
  return errors;
}

/** Differs: upstream finds out about a wrong URL with the first pod. */
function urlErrors(path: FieldPath, { urlPrefix, enableHTTPS = false }: Extender): FieldError[] {
  const at = path.child('urlPrefix');
  if (((urlPrefix as string | undefined) ?? '') === '') return [requiredError(at)];
  if (!URL.canParse(urlPrefix))
    return [invalidError(at, urlPrefix, 'is no URL, such as http://127.0.0.1:8888/scheduler')];
  const { protocol, search, hash, username, password } = new URL(urlPrefix);
  if (protocol !== 'http:' && protocol !== 'https:')
    return [invalidError(at, urlPrefix, 'must begin with http:// or https://')];
  if ([search, hash, username, password].some(part => part !== ''))
    return [invalidError(at, urlPrefix, 'must have no query, fragment, user or password')];
  if (enableHTTPS && protocol === 'http:')
    return [invalidError(at, urlPrefix, 'must begin with https:// where enableHTTPS is set')];
  return [];
}

function callErrors(path: FieldPath, { prioritizeVerb = '', weight = 0, httpTimeout = '0s' }: Extender): FieldError[] {
  const errors: FieldError[] = [];
  if (prioritizeVerb !== '' && weight <= 0)
    errors.push(invalidError(path.child('weight'), weight, 'must have a positive weight applied to it'));
  const timeoutMs = parseDurationMs(httpTimeout) ?? 0;
  if (timeoutMs < 0 || timeoutMs > MAX_TIMEOUT_MS)
    errors.push(invalidError(path.child('httpTimeout'), httpTimeout, 'not in valid range [0s, 10m]'));
  return errors;
}

/** A pod that waits longer for a word of an extender waits for nothing. */
const MAX_TIMEOUT_MS = 600_000;

/** Source: `TLSConfigFor` (client-go/transport), which upstream asks at its start. */
function tlsErrors(path: FieldPath, { tlsConfig: tls, urlPrefix = '' }: Extender): FieldError[] {
  if (tls === undefined) return [];
  const at = path.child('tlsConfig');
  if (!urlPrefix.startsWith('https:')) return [forbiddenError(at, 'urlPrefix does not begin with https://')];
  const errors: FieldError[] = [];
  const isGiven = (...texts: (string | undefined)[]): boolean => texts.some(text => (text ?? '') !== '');
  if (tls.insecure === true && isGiven(tls.caFile, tls.caData))
    errors.push(
      forbiddenError(at.child('insecure'), 'specifying a root certificates file with the insecure flag is not allowed'),
    );
  const hasCert = isGiven(tls.certFile, tls.certData);
  if (hasCert !== isGiven(tls.keyFile, tls.keyData))
    errors.push(
      requiredError(
        at.child(hasCert ? 'keyFile' : 'certFile'),
        'a certificate needs its key, and a key its certificate',
      ),
    );
  return errors;
}

function resourceErrors(path: FieldPath, { name }: ExtenderManagedResource, seen: Set<string>): FieldError[] {
  const errors = qualifiedName(name).map(problem => invalidError(path, name, problem));
  if (errors.length === 0 && !isExtendedResource(name))
    errors.push(invalidError(path, name, 'is an invalid extended resource name'));
  if (seen.has(name)) errors.push(invalidError(path, name, 'duplicate extender managed resource name'));
  seen.add(name);
  return errors;
}
