/**
 * Which API versions are served: the stable ones, and old ones that `--runtime-config` asks for. Its settings are upstream's: `api/beta=true`,
 * `api/all=true`, `policy/v1beta1=true`, `policy/v1beta1/poddisruptionbudgets=false`; the narrower counts. A setting without `=` means true.
 *
 * Differs: stable versions cannot be turned off, because k8ts itself speaks them.
 * Source: kube-apiserver's `--runtime-config`, `apiserver/pkg/server/resourceconfig/helpers.go`, 1.36.
 */
import { betaKinds, kinds, type KindInfo } from '../../../proto/api/kinds.ts';
import { apiVersionOf } from './served-resource.ts';

/** A setting that cannot be followed; the message says why. */
export class RuntimeConfigError extends Error {
  constructor(setting: string, why: string) {
    super(`${JSON.stringify(setting)} ${why}`);
    this.name = 'RuntimeConfigError';
  }
}

/** Groups that store nothing. */
const REVIEW_GROUPS = ['authentication.k8s.io', 'authorization.k8s.io'];
const CLASSES = ['api/all', 'api/ga', 'api/beta', 'api/alpha'];

/**
 * Every kind that is served, the stable versions first.
 * @throws RuntimeConfigError
 */
export function servedKinds(settings: readonly string[]): readonly KindInfo[] {
  const values = new Map(settings.map(parse));
  return [
    ...kinds,
    ...betaKinds.filter(info => {
      const version = apiVersionOf(info);
      const keys = [`${version}/${info.resource}`, version, 'api/beta', 'api/all'];
      return keys.map(key => values.get(key)).find(value => value !== undefined) ?? false;
    }),
  ];
}

function parse(setting: string): [key: string, value: boolean] {
  const [key = '', text = 'true', ...rest] = setting.split('=').map(part => part.trim());
  if (rest.length > 0 || !['true', 'false'].includes(text))
    throw new RuntimeConfigError(setting, 'is not API=true or API=false, such as policy/v1beta1=true');
  const value = text === 'true';
  if (CLASSES.includes(key)) {
    if (!value && (key === 'api/all' || key === 'api/ga')) throw new RuntimeConfigError(setting, STABLE);
    return [key, value];
  }
  const [first = '', second, resource] = key.split('/');
  const core = first === 'api' && second === 'v1';
  const group = core ? '' : first;
  const known = [...kinds, ...betaKinds].filter(info => info.group === group);
  if (known.length === 0 && !REVIEW_GROUPS.includes(group))
    throw new RuntimeConfigError(setting, `names an unknown API group: ${group}`);
  if (second === undefined) throw new RuntimeConfigError(setting, 'names no version, such as policy/v1beta1');
  const versions = known.filter(info => info.version === second);
  if (versions.length === 0 && !(REVIEW_GROUPS.includes(group) && second === 'v1')) {
    const served = [...new Set(known.map(info => info.version))].join(', ');
    throw new RuntimeConfigError(setting, `names a version that is not there; there are: ${served || 'v1'}`);
  }
  if (resource !== undefined && !versions.some(info => info.resource === resource))
    throw new RuntimeConfigError(setting, `names a resource that ${first}/${second} does not have: ${resource}`);
  if (!value && !versions.some(info => betaKinds.includes(info))) throw new RuntimeConfigError(setting, STABLE);
  return [core ? ['v1', ...(resource === undefined ? [] : [resource])].join('/') : key, value];
}

const STABLE = 'would turn off stable APIs, which k8ts itself needs';
