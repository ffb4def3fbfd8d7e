/** The definitions of a set of kinds: the kinds themselves, their lists, and what every API needs besides. */
import { apiTable } from '../../../proto/api/schema.ts';
import type { KindInfo } from '../../../proto/api/kinds.ts';
import { Definitions } from './definitions.ts';

const META = 'apimachinery/pkg/apis/meta/v1';
const GVK = 'x-kubernetes-group-version-kind';
/** Bodies of subresources, with the kind they have and the package they are from. */
const SUBRESOURCE_BODIES: Readonly<Record<string, readonly (readonly [typePackage: string, name: string])[]>> = {
  '/v1': [
    ['api/core/v1', 'Binding'],
    ['api/policy/v1', 'Eviction'],
    ['api/autoscaling/v1', 'Scale'],
    ['api/authentication/v1', 'TokenRequest'],
  ],
  'apps/v1': [['api/autoscaling/v1', 'Scale']],
  'autoscaling/v1': [['api/autoscaling/v1', 'Scale']],
  'policy/v1': [['api/policy/v1', 'Eviction']],
};

interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** Kinds whose type the table does not have (custom resources) are left out. */
export function kindDefinitions(kinds: readonly KindInfo[], version: 'v2' | 'v3'): Definitions {
  const definitions = new Definitions(version);
  const mark = (packageKey: string, name: string, gvks: readonly GroupVersionKind[]): void => {
    if (apiTable[packageKey]?.[name] === undefined) return;
    const schema = definitions.all.get(definitions.add(packageKey, name));
    if (schema !== undefined) schema[GVK] = gvks;
  };
  for (const { group, version: v, kind, typePackage } of kinds) {
    mark(typePackage, kind, [{ group, kind, version: v }]);
    mark(typePackage, `${kind}List`, [{ group, kind: `${kind}List`, version: v }]);
  }
  const groupVersions = [...new Set(kinds.map(kind => `${kind.group}/${kind.version}`))];
  for (const groupVersion of groupVersions) {
    for (const [typePackage, name] of SUBRESOURCE_BODIES[groupVersion] ?? []) {
      const [, group = '', v = ''] = /^api\/(.*)\/(.*)$/.exec(typePackage) ?? [];
      mark(typePackage, name, [{ group: groupOf(group), kind: name, version: v }]);
    }
  }
  const everywhere = groupVersions.map(text => ({
    group: text.slice(0, text.indexOf('/')),
    version: text.slice(text.indexOf('/') + 1),
  }));
  mark(
    META,
    'DeleteOptions',
    everywhere.map(gv => ({ ...gv, kind: 'DeleteOptions' })),
  );
  mark(META, 'Status', [{ group: '', kind: 'Status', version: 'v1' }]);
  definitions.add(META, 'Patch');
  return definitions;
}

/** API groups of packages that subresource bodies come from. */
function groupOf(directory: string): string {
  if (directory === 'core') return '';
  return directory === 'authentication' ? 'authentication.k8s.io' : directory;
}
