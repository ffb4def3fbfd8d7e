/** The address of an object's `scale`. */
import { kinds } from '../../../proto/api/kinds.ts';
import { splitApiVersion } from '../../../machinery/meta/object.ts';

/** @returns undefined if no such kind is known; whether the kind has a scale, the server says */
export function scalePath(apiVersion: string, kind: string, namespace: string, name: string): string | undefined {
  const { group, version } = splitApiVersion(apiVersion);
  const resource = kinds.find(known => known.group === group && known.kind === kind)?.resource;
  if (resource === undefined) return undefined;
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return `${root}/namespaces/${namespace}/${resource}/${encodeURIComponent(name)}/scale`;
}
