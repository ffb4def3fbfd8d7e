/**
 * What discovery tells of the served resources: the legacy lists per group and version, and the aggregated form of one answer for all.
 * Source: kubernetes.io/docs, "Kubernetes API Concepts", discovery; `pkg/endpoints/discovery/aggregated`.
 */
import type {
  APIGroupDiscovery,
  APIGroupDiscoveryList,
  APIResourceDiscovery,
  APIVersionDiscovery,
} from '../../../proto/api/apidiscovery-v2.ts';
import type { APIGroup, APIGroupList, APIResource, APIResourceList } from '../../../proto/api/meta-v1.ts';
import { storedVerbs, type ResourceSet, type ServedEntry, type Subresource } from '../registry/resource-set.ts';

/** Groups before others in what kubectl tries first; the rest follows in their own order. */
interface GroupVersions {
  readonly group: string;
  /** Preferred first. */
  readonly versions: readonly string[];
}

export class Discovery {
  readonly #resources: ResourceSet;

  constructor(resources: ResourceSet) {
    this.#resources = resources;
  }

  groups(): GroupVersions[] {
    const groups = new Map<string, string[]>();
    for (const { resource } of this.#resources.entries()) {
      const { group, version } = resource.info;
      const versions = groups.get(group);
      if (versions === undefined) groups.set(group, [version]);
      else if (!versions.includes(version)) versions.push(version);
    }
    return [...groups].map(([group, versions]) => ({ group, versions }));
  }

  /** `/apis` */
  groupList(): APIGroupList {
    const groups = this.groups()
      .filter(({ group }) => group !== '')
      .map(apiGroup);
    return { kind: 'APIGroupList', apiVersion: 'v1', groups };
  }

  /** `/apis/apps`; undefined: no such group. */
  group(name: string): APIGroup | undefined {
    const found = this.groups().find(({ group }) => group === name && group !== '');
    return found === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(found) };
  }

  /** `/apis/apps/v1` and `/api/v1`; undefined: no such version. */
  resourceList(group: string, version: string): APIResourceList | undefined {
    const resources = this.#of(group, version).flatMap(apiResources);
    if (resources.length === 0) return undefined;
    return {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: group === '' ? version : `${group}/${version}`,
      resources,
    };
  }

  /** The aggregated document for `/api` (core) or `/apis` (the rest). */
  aggregated(core: boolean): APIGroupDiscoveryList {
    const items = this.groups()
      .filter(({ group }) => (group === '') === core)
      .map(({ group, versions }): APIGroupDiscovery => ({
        metadata: group === '' ? {} : { name: group },
        versions: versions.map((version): APIVersionDiscovery => ({
          version,
          resources: this.#of(group, version).map(entry => aggregatedResource(entry, group, version)),
          freshness: 'Current',
        })),
      }));
    return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
  }

  #of(group: string, version: string): ServedEntry[] {
    return [...this.#resources.entries()]
      .filter(({ resource: { info } }) => info.group === group && info.version === version)
      .sort((a, b) => (a.resource.info.resource < b.resource.info.resource ? -1 : 1));
  }
}

function apiGroup({ group, versions }: GroupVersions): APIGroup {
  const list = versions.map(version => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: list, preferredVersion: list[0] } as APIGroup;
}

function apiResources(entry: ServedEntry): APIResource[] {
  const { info } = entry.resource;
  const base = { name: info.resource, singularName: info.singular, namespaced: info.namespaced, kind: info.kind };
  if (entry.kind === 'virtual') {
    const { shortNames: short } = entry.resource.info;
    return [{ ...base, verbs: [...entry.resource.verbs], ...(short === undefined ? {} : { shortNames: [...short] }) }];
  }
  const { shortNames, categories } = entry.resource.info;
  const main: APIResource = {
    ...base,
    verbs: [...storedVerbs(info)],
    ...(shortNames.length > 0 ? { shortNames: [...shortNames] } : {}),
    ...(categories.length > 0 ? { categories: [...categories] } : {}),
  };
  return [main, ...[...entry.subresources.values()].map(sub => subresource(sub, info))];
}

function subresource(sub: Subresource, info: { resource: string; namespaced: boolean }): APIResource {
  const { name, kind, group, version, verbs } = sub;
  return {
    name: `${info.resource}/${name}`,
    singularName: '',
    namespaced: info.namespaced,
    ...(group === undefined ? {} : { group }),
    ...(version === undefined ? {} : { version }),
    kind,
    verbs: listedVerbs(verbs),
  };
}

/** Proxies take every method; discovery lists what clients know. */
function listedVerbs(verbs: readonly string[]): string[] {
  return verbs.includes('*') ? ['create', 'delete', 'get', 'patch', 'update'] : [...verbs];
}

function aggregatedResource(entry: ServedEntry, group: string, version: string): APIResourceDiscovery {
  const { info } = entry.resource;
  const base: APIResourceDiscovery = {
    resource: info.resource,
    responseKind: { group, version, kind: info.kind },
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: info.singular,
    verbs: entry.kind === 'virtual' ? [...entry.resource.verbs] : [...storedVerbs(info)],
  };
  if (entry.kind === 'virtual') {
    const { shortNames: short } = entry.resource.info;
    return short === undefined ? base : { ...base, shortNames: [...short] };
  }
  const { shortNames, categories } = entry.resource.info;
  if (shortNames.length > 0) base.shortNames = [...shortNames];
  if (categories.length > 0) base.categories = [...categories];
  const subresources = [...entry.subresources.values()].map(sub => ({
    subresource: sub.name,
    responseKind: { group: sub.group ?? group, version: sub.version ?? version, kind: sub.kind },
    verbs: listedVerbs(sub.verbs),
  }));
  if (subresources.length > 0) base.subresources = subresources;
  return base;
}
