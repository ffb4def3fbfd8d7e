/**
 * What containerd downloads for an image, asked of its content service on the same socket: CRI says nothing of a pull until it ends.
 *
 * Blobs carry the repository they came from as a label, and manifests their children's digests; a download is called after its digest.
 */
import { ContentService, type Info, type ListStatusesRequest } from '../../../../proto/cri/containerd-content.gen.ts';
import type {
  ListContentRequest,
  ListContentResponse,
  ListStatusesResponse,
} from '../../../../proto/cri/containerd-content.gen.ts';
import type { Decoded } from '../../../../proto/decoded.ts';
import type { ImageName } from '../../images/plan/image-name.ts';
import type { PullSample } from '../../images/plan/pull-progress.ts';
import type { GrpcMethod, StreamOptions } from '../grpc-channel.ts';
import { isUnimplemented } from '../runtime-error.ts';

/** What this needs of a client; CriClient has it. */
export interface StreamClient {
  stream<Req, Res>(method: GrpcMethod<Req, Res>, request: Req, options: StreamOptions): AsyncIterable<Decoded<Res>>;
}

/** @returns undefined where the runtime cannot tell */
export type SampleDownloads = (
  image: ImageName,
  sinceMs: number,
  signal: AbortSignal,
) => Promise<PullSample | undefined>;

/** containerd's namespace of everything that came through CRI. */
const METADATA = { 'containerd-namespace': 'k8s.io' };
const SOURCE_LABEL = 'containerd.io/distribution.source.';
const CHILD_LABEL = 'containerd.io/gc.ref.content';
const LOOK_TIMEOUT_MS = 10_000;

/** Asks `client`, which may speak to any runtime. */
export function downloadProgress(client: StreamClient): SampleDownloads {
  return async (image, sinceMs, signal) => {
    const options = { metadata: METADATA, signal: AbortSignal.any([signal, AbortSignal.timeout(LOOK_TIMEOUT_MS)]) };
    try {
      const blobs = await blobsOf(client, image, options);
      const active = await statuses(client, options);
      const children = new Set(blobs.flatMap(childrenOf));
      const fresh = blobs.filter(blob => Number(blob.createdAt?.seconds ?? 0n) * 1000 >= sinceMs - 1000);
      return {
        active: active
          .filter(({ ref }) => children.has(ref.slice(ref.indexOf('sha256:'))))
          .map(({ ref, offset }) => ({ ref, offsetBytes: Number(offset) })),
        finishedCount: fresh.length,
        finishedBytes: fresh.reduce((sum, { size }) => sum + Number(size), 0),
      };
    } catch (error) {
      if (isUnimplemented(error)) return undefined;
      throw error;
    }
  };
}

async function blobsOf(
  client: StreamClient,
  { domain, path }: ImageName,
  options: StreamOptions,
): Promise<Decoded<Info>[]> {
  // containerd leaves the port out.
  const label = SOURCE_LABEL + domain.replace(/:\d+$/, '');
  const request = { filters: [`labels.${JSON.stringify(label)}`] };
  const blobs: Decoded<Info>[] = [];
  for await (const { info } of client.stream<ListContentRequest, ListContentResponse>(
    ContentService.list,
    request,
    options,
  )) {
    // A blob that several repositories share names them all.
    blobs.push(...info.filter(({ labels }) => labels[label]?.split(',').includes(path) === true));
  }
  return blobs;
}

/** On the wire a single answer is a stream of one. */
async function statuses(client: StreamClient, options: StreamOptions) {
  const request: ListStatusesRequest = {};
  for await (const { statuses: found } of client.stream<ListStatusesRequest, ListStatusesResponse>(
    ContentService.listStatuses,
    request,
    options,
  )) {
    return found;
  }
  return [];
}

function childrenOf({ labels }: Decoded<Info>): string[] {
  return Object.entries(labels).flatMap(([key, digest]) => (key.startsWith(CHILD_LABEL) ? [digest] : []));
}
