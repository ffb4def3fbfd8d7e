/**
 * Options of Windows containers. Source: Kubernetes `pkg/apis/core/validation` (validateWindowsSecurityContextOptions,
 * validateWindowsHostProcessPod), 1.36.
 */
import { invalidError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { dns1123Subdomain } from '../meta/names.ts';
import type { PodSpec, WindowsSecurityContextOptions } from '../../proto/api/core-v1.ts';
import { checkShape } from '../validation/checks.ts';

const MAX_CREDENTIAL_KIB = 64;
const MAX_DOMAIN = 256;
const MAX_USER = 104;
const NETBIOS = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const DNS_DOMAIN =
  /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;
const USER_CHARACTERS = /["/\\:;|=,+*?<>@[\]]/;

export function checkWindowsOptions(
  errors: FieldError[],
  path: FieldPath,
  options: WindowsSecurityContextOptions | undefined,
): void {
  if (options === undefined) return;
  const { gmsaCredentialSpecName, gmsaCredentialSpec, runAsUserName } = options;
  if (gmsaCredentialSpecName !== undefined)
    checkShape(errors, path.child('gmsaCredentialSpecName'), gmsaCredentialSpecName, dns1123Subdomain);
  if (gmsaCredentialSpec !== undefined) {
    const bytes = Buffer.byteLength(gmsaCredentialSpec);
    const why =
      bytes === 0
        ? 'gmsaCredentialSpec cannot be an empty string'
        : bytes > MAX_CREDENTIAL_KIB * 1024
          ? `gmsaCredentialSpec size must be under ${MAX_CREDENTIAL_KIB} KiB`
          : undefined;
    if (why !== undefined) errors.push(invalidError(path.child('gmsaCredentialSpec'), gmsaCredentialSpec, why));
  }
  if (runAsUserName !== undefined) checkShape(errors, path.child('runAsUserName'), runAsUserName, userProblems);
}

/** A pod is of containers that are processes of the host, or of none. */
export function checkHostProcess(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  const whole = spec.securityContext?.windowsOptions?.hostProcess;
  let count = 0;
  let onHost = 0;
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      count++;
      const own = container.securityContext?.windowsOptions?.hostProcess;
      if (whole !== undefined && own !== undefined && whole !== own) {
        const at = path.child(list).index(i).child('securityContext', 'windowsOptions', 'hostProcess');
        const why = `pod hostProcess value must be identical if both are specified, was ${String(whole)}`;
        errors.push(invalidError(at, own, why));
      }
      if (own ?? whole ?? false) onHost++;
    }
  }
  if (onHost === 0) return;
  if (onHost !== count) {
    const why = 'If pod contains any hostProcess containers then all containers must be HostProcess containers';
    errors.push(invalidError(path, '', why));
  }
  if (spec.hostNetwork !== true) {
    const why = 'hostNetwork must be true if pod contains any hostProcess containers';
    errors.push(invalidError(path.child('hostNetwork'), false, why));
  }
}

function userProblems(name: string): string[] {
  if (name === '') return ['runAsUserName cannot be an empty string'];

  if (/[\u0000-\u001f\u007f]/.test(name)) return ['runAsUserName cannot contain control characters'];
  const parts = name.split('\\');
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash'];
  const problems: string[] = [];
  const user = parts.at(-1) ?? '';
  const domain = parts.length === 2 ? (parts[0] ?? '') : undefined;
  if (domain !== undefined && domain.length >= MAX_DOMAIN)
    problems.push(`runAsUserName's Domain length must be under ${MAX_DOMAIN} characters`);
  if (domain !== undefined && !NETBIOS.test(domain) && !DNS_DOMAIN.test(domain))
    problems.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  if (user === '') problems.push("runAsUserName's User cannot be empty");
  else if (user.length > MAX_USER)
    problems.push(`runAsUserName's User length must not be longer than ${MAX_USER} characters`);
  if (/^[. ]+$/.test(user)) problems.push("runAsUserName's User cannot contain only periods or spaces");
  if (USER_CHARACTERS.test(user))
    problems.push(`runAsUserName's User cannot contain the following characters: "/\\:;|=,+*?<>@[]`);
  return problems;
}
