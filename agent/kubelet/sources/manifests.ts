/** What a place where static pods are written says: the pods that can run, and what is wrong with the others. */
import { CodecError, parseYamlDocuments } from '../../../machinery/meta/codec.ts';
import { isJsonObject } from '../../../machinery/meta/json-value.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { staticPod, StaticPodError, type StaticSource } from './plan/static-pod.ts';

/** One text, read. */
export interface Manifest {
  /** File or URL. */
  readonly location: string;
  readonly pods: readonly Pod[];
  /** Why nothing can be made of it; undefined: all of it could. */
  readonly problem: string | undefined;
  /** What was passed over, in sentences. */
  readonly warnings: readonly string[];
}

/** More than anybody writes by hand. Source: `maxConfigLength` of upstream. */
export const MAX_MANIFEST_BYTES = 10 * 1024 * 1024;

/** Reads one text; a list of pods may come from a URL, not from a file. Never throws. */
export async function readManifest(text: string, source: StaticSource, seenAt: string): Promise<Manifest> {
  const { location } = source;
  try {
    // JSON is YAML.
    const documents = await parseYamlDocuments(text);
    if (documents.length !== 1)
      throw new StaticPodError(`couldn't parse as pod: found ${documents.length} documents, want one`);
    const values = itemsOf(documents[0]?.value, source);
    const read = values.map(value => staticPod(value, source, seenAt));
    const warnings = read.flatMap(({ unknownFields }) =>
      unknownFields.map(field => `unknown field ${field} is ignored`),
    );
    return { location, pods: read.map(({ pod }) => pod), problem: undefined, warnings };
  } catch (error) {
    if (!(error instanceof StaticPodError) && !(error instanceof CodecError)) throw error;
    return { location, pods: [], problem: error.message, warnings: [] };
  }
}

function itemsOf(value: unknown, { kind }: StaticSource): readonly unknown[] {
  if (kind === 'file' || !isJsonObject(value) || value['kind'] !== 'PodList') return [value];
  const { items } = value;
  // The members of a list say their kind no more than those of the API's lists do.
  return (Array.isArray(items) ? items : []).map(item =>
    isJsonObject(item) ? { apiVersion: 'v1', kind: 'Pod', ...item } : item,
  );
}
