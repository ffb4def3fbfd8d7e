/** How a CSI driver shows in the node's objects. Pure. Source: kubernetes `pkg/volume/csi/nodeinfomanager/nodeinfomanager.go`. */
import type { Node } from '../../../../../proto/api/core-v1.ts';
import type { CSINode, CSINodeDriver } from '../../../../../proto/api/storage-v1.ts';
import type { NodeGetInfoResponse } from '../../../../../proto/csi/csi.gen.ts';

/** JSON: node ids by driver. */
export const NODE_ID_ANNOTATION = 'csi.volume.kubernetes.io/nodeid';
/** Drivers mean "no limit" by everything beyond. */
const MAX_COUNT = 2_147_483_647;

export interface MetadataPatch {
  readonly metadata: { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> };
}

/**
 * The change to the node; undefined when it says so already.
 * @throws Error when the node already lies elsewhere than the driver says
 */
export function nodePatch(node: Node, driver: string, info: NodeGetInfoResponse): MetadataPatch | undefined {
  const { labels = {}, annotations = {} } = node.metadata;
  const segments = info.accessibleTopology?.segments ?? {};
  for (const [key, value] of Object.entries(segments)) {
    const there = labels[key];
    if (there !== undefined && there !== value) {
      const quoted = `${JSON.stringify(key)}:${JSON.stringify(value)}`;
      const existing = `${JSON.stringify(key)}:${JSON.stringify(there)}`;
      throw new Error(`detected topology value collision: driver reported ${quoted} but existing label is ${existing}`);
    }
  }
  const missing = Object.entries(segments).filter(([key]) => labels[key] === undefined);
  const ids = nodeIds(annotations[NODE_ID_ANNOTATION]);
  const knowsId = ids[driver] === info.nodeId;
  if (missing.length === 0 && knowsId) return undefined;
  const value = JSON.stringify({ ...ids, [driver]: info.nodeId ?? '' });
  return {
    metadata: {
      ...(missing.length === 0 ? {} : { labels: Object.fromEntries(missing) }),
      ...(knowsId ? {} : { annotations: { [NODE_ID_ANNOTATION]: value } }),
    },
  };
}

/** The annotation's value without the driver, null for none; undefined when it has no such driver. */
export function withoutNodeId(node: Node, driver: string): string | null | undefined {
  const ids = nodeIds(node.metadata.annotations?.[NODE_ID_ANNOTATION]);
  if (ids[driver] === undefined) return undefined;
  const { [driver]: _, ...rest } = ids;
  return Object.keys(rest).length === 0 ? null : JSON.stringify(rest);
}

export function withDriver(csiNode: CSINode, name: string, info: NodeGetInfoResponse): CSINode {
  const driver = entryOf(name, info);
  const at = csiNode.spec.drivers.findIndex(other => other.name === name);
  // In its place, so that telling the same again changes nothing.
  const drivers = at < 0 ? [...csiNode.spec.drivers, driver] : csiNode.spec.drivers.with(at, driver);
  return { ...csiNode, spec: { ...csiNode.spec, drivers } };
}

/** Without the driver's entry, if that tells of another node id or topology: the server lets nobody change those. */
export function withoutStale(csiNode: CSINode, name: string, info: NodeGetInfoResponse): CSINode {
  const identity = ({ nodeID, topologyKeys = [] }: CSINodeDriver): string => JSON.stringify([nodeID, topologyKeys]);
  const known = csiNode.spec.drivers.find(driver => driver.name === name);
  return known === undefined || identity(known) === identity(entryOf(name, info))
    ? csiNode
    : withoutDriver(csiNode, name);
}

function entryOf(name: string, info: NodeGetInfoResponse): CSINodeDriver {
  const topologyKeys = Object.keys(info.accessibleTopology?.segments ?? {}).sort();
  const count = Math.min(Number(info.maxVolumesPerNode ?? 0n), MAX_COUNT);
  return {
    name,
    nodeID: info.nodeId ?? '',
    ...(topologyKeys.length === 0 ? {} : { topologyKeys }),
    ...(count > 0 ? { allocatable: { count } } : {}),
  };
}

export function withoutDriver(csiNode: CSINode, name: string): CSINode {
  const drivers = csiNode.spec.drivers.filter(driver => driver.name !== name);
  return { ...csiNode, spec: { ...csiNode.spec, drivers } };
}

/** What is no JSON object counts as nothing: it is written anew. */
function nodeIds(text: string | undefined): Record<string, string> {
  if (text === undefined || text === '') return {};
  try {
    const ids: unknown = JSON.parse(text);
    return typeof ids === 'object' && ids !== null ? (ids as Record<string, string>) : {};
  } catch {
    return {};
  }
}
