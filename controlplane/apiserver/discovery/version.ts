/**
 * What /version says: the Kubernetes version whose API this is.
 */
export const KUBERNETES_VERSION = 'v1.36.0';

/** Git's own name for no commit: clients want hexadecimal digits, and a bundle does not know where it came from. */
const NO_COMMIT = '0'.repeat(40);

export function versionInfo(): Readonly<Record<string, string>> {
  return {
    major: '1',
    minor: '36',
    emulationMajor: '1',
    emulationMinor: '36',
    minCompatibilityMajor: '1',
    minCompatibilityMinor: '35',
    gitVersion: `${KUBERNETES_VERSION}+k8ts`,
    gitCommit: NO_COMMIT,
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node ${process.version}`,
    compiler: 'v8',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
