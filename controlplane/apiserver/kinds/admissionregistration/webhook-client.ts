/** Where a webhook is: a URL or a Service. Source: Kubernetes `apiserver/pkg/util/webhook/validation.go`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import { portNumber } from '../../../../machinery/meta/value-shapes.ts';
import type { ServiceReference, WebhookClientConfig } from '../../../../proto/api/admissionregistration-v1.ts';
import { isBlank } from '../../../../machinery/validation/checks.ts';

const FORM = '; desired format: https://host[/path]';
const URL_PARTS = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?:\/\/(?:([^/?#]*)@)?([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/;

export function checkWebhookClient(
  errors: FieldError[],
  path: FieldPath,
  config: WebhookClientConfig | undefined,
): void {
  const { url, service } = config ?? {};
  if ((url === undefined) === (service === undefined))
    errors.push(requiredError(path, 'exactly one of url or service is required'));
  else if (url !== undefined) checkUrl(errors, path.child('url'), url);
  else if (service !== undefined) checkService(errors, path.child('service'), service);
}

function checkUrl(errors: FieldError[], path: FieldPath, url: string): void {
  const parts = URL_PARTS.exec(url);
  if (parts === null) {
    errors.push(requiredError(path, `url must be a valid URL: ${JSON.stringify(url)}${FORM}`));
    return;
  }
  const [, scheme = '', user, host = '', , query = '', fragment = ''] = parts;
  if (scheme.toLowerCase() !== 'https')
    errors.push(invalidError(path, scheme, `'https' is the only allowed URL scheme${FORM}`));
  if (host === '') errors.push(invalidError(path, host, `host must be provided${FORM}`));
  if (user !== undefined) errors.push(invalidError(path, user, 'user information is not permitted in the URL'));
  if (fragment !== '') errors.push(invalidError(path, fragment, 'fragments are not permitted in the URL'));
  if (query !== '') errors.push(invalidError(path, query, 'query parameters are not permitted in the URL'));
}

function checkService(errors: FieldError[], path: FieldPath, service: ServiceReference): void {
  if (isBlank(service.name)) errors.push(requiredError(path.child('name'), 'service name is required'));
  if (isBlank(service.namespace)) errors.push(requiredError(path.child('namespace'), 'service namespace is required'));
  const port = service.port ?? 0;
  const problems = portNumber(port);
  if (problems.length > 0)
    errors.push(invalidError(path.child('port'), port, `port is not valid: ${problems.join(',')}`));
  if (service.path !== undefined) checkPath(errors, path.child('path'), service.path);
}

function checkPath(errors: FieldError[], path: FieldPath, text: string): void {
  if (text === '/' || text === '') return;
  if (text === '//') {
    errors.push(invalidError(path, text, 'segment[0] may not be empty'));
    return;
  }
  if (!text.startsWith('/')) errors.push(invalidError(path, text, "must start with a '/'"));
  const segments = text.slice(1).replace(/\/$/, '').split('/');
  for (const [i, segment] of segments.entries()) {
    if (segment === '') errors.push(invalidError(path, text, `segment[${i}] may not be empty`));
    else
      for (const problem of dns1123Subdomain(segment))
        errors.push(invalidError(path, text, `segment[${i}]: ${problem}`));
  }
}
