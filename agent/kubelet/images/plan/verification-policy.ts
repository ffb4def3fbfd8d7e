/**
 * Which images that are there a pod must prove its right to.
 * Source: `pkg/kubelet/images/pullmanager/image_pull_policies.go` 1.36.
 */
import { parseImageName, repositoryOf } from './image-name.ts';

/** By upstream's names of `imagePullCredentialsVerificationPolicy`. */
export const VERIFICATION_POLICIES = [
  'NeverVerify',
  'NeverVerifyPreloadedImages',
  'NeverVerifyAllowlistedImages',
  'AlwaysVerify',
] as const;

export type VerificationPolicy = (typeof VERIFICATION_POLICIES)[number];

/**
 * @param repository `domain/path`
 * @param pulledByKubelet there is a record of it, or a pull that began
 * @param allowlist names without tag and digest, or prefixes that end in `/*`
 */
export function needsVerification(
  policy: VerificationPolicy,
  allowlist: readonly string[],
  repository: string,
  pulledByKubelet: boolean,
): boolean {
  switch (policy) {
    case 'NeverVerify':
      return false;
    case 'NeverVerifyPreloadedImages':
      return pulledByKubelet;
    case 'AlwaysVerify':
      return true;
    case 'NeverVerifyAllowlistedImages':
      return !allowlist.some(pattern =>
        pattern.endsWith('/*') ? repository.startsWith(pattern.slice(0, -1)) : isNameOf(pattern, repository),
      );
  }
}

/** What is wrong with a pattern of the list, in upstream's words; undefined for a good one. */
export function allowlistProblem(pattern: string): string | undefined {
  if (pattern !== pattern.trim()) return `leading/trailing spaces are not allowed: ${pattern}`;
  const isWildcard = pattern.endsWith('/*');
  const bare = isWildcard ? pattern.slice(0, -1) : pattern;
  if (bare === '') return `the supplied pattern is too short: ${pattern}`;
  if (bare.includes('*')) return `not a valid wildcard pattern, only patterns ending with '/*' are allowed: ${pattern}`;
  if (isWildcard) return bare.length === 1 ? 'at least registry hostname is required' : undefined;
  const name = parseImageName(bare);
  if (name === undefined) return 'failed to parse as an image name: invalid reference format';
  const hasMore = name.digest !== undefined || /:[^/]*$/.test(bare);
  return hasMore ? `neither tag nor digest is accepted in an image reference: ${pattern}` : undefined;
}

function isNameOf(pattern: string, repository: string): boolean {
  const name = parseImageName(pattern);
  return name !== undefined && repositoryOf(name) === repository;
}
