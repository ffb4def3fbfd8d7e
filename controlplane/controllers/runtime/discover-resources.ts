/**
 * The resources that the API server serves, one version each, by discovery.
 */
import type { APIGroupList, APIResourceList } from '../../../proto/api/meta-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { splitApiVersion } from '../../../machinery/meta/object.ts';

export interface DiscoveredResource extends Resource<AnyObject> {
  readonly verbs: readonly string[];
}

export interface Discovery {
  resources: DiscoveredResource[];
  /** Groups that could not be asked, with why; what they hold is unknown. */
  failures: { groupVersion: string; error: Error }[];
}

/** @throws StatusError when the list of groups cannot be read */
export async function discoverResources(client: Client, signal: AbortSignal): Promise<Discovery> {
  const groups = (await client.raw('GET', '/apis', undefined, signal)) as APIGroupList;
  const preferred = groups.groups.map(group => (group.preferredVersion ?? group.versions[0])?.groupVersion ?? '');
  const discovery: Discovery = { resources: [], failures: [] };
  const read = async (groupVersion: string, path: string): Promise<void> => {
    try {
      const list = (await client.raw('GET', path, undefined, signal)) as APIResourceList;
      const { group, version } = splitApiVersion(groupVersion);
      for (const { name, kind, namespaced, verbs } of list.resources) {
        if (!name.includes('/')) discovery.resources.push({ group, version, resource: name, kind, namespaced, verbs });
      }
    } catch (error) {
      signal.throwIfAborted();
      discovery.failures.push({ groupVersion, error: error as Error });
    }
  };
  const names = preferred.filter(groupVersion => groupVersion !== '');
  await Promise.all([read('v1', '/api/v1'), ...names.map(name => read(name, `/apis/${name}`))]);
  return discovery;
}
