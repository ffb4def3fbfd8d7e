/**
 * Where a node's pods come from: the API, files and a URL. Static pods run whether there is an API or not.
 *
 * Source: kubernetes.io/docs, "Create static Pods"; kubernetes 1.36 `pkg/kubelet/config`.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { InformerHandler } from '../../../machinery/client/informer.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { durationMs, type KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import { nodeSubject } from '../node/plan/node-subject.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { FileSource } from './file-source.ts';
import type { Manifest } from './manifests.ts';
import { MirrorPods } from './mirror-pods.ts';
import { mirroredHash } from './plan/mirror-pod.ts';
import { CONFIG_SOURCE } from './plan/static-pod.ts';
import { StaticPods, type StaticPodWorkers } from './static-pods.ts';
import { UrlSource } from './url-source.ts';
import { keyOf } from '../../../machinery/meta/object.ts';

export interface PodSourcesOptions {
  readonly configuration: KubeletConfiguration;
  readonly nodeName: string;
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventSink;
  readonly workers: StaticPodWorkers & { has(uid: string): boolean };
  readonly status: { mirrorSeen(uid: string, mirror: Pod | undefined): void };
  readonly nodeUid: () => string | undefined;
  readonly observer: { podSeen(pod: Pod, nowMs: number): void; podGone(pod: Pod): void };
}

export interface PodSources {
  /** Reads files and URL, and keeps mirror pods, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the files have been read once: static pods of the node are known. */
  filesRead(): Promise<void>;
  /** Takes the API's pods of this node. */
  readonly apiPods: InformerHandler<Pod>;
  /** A worker has let go of a pod: nothing is left of it. */
  podRemoved(pod: Pod): void;
}

/** Builds the sources; nothing happens until they run. */
export function createPodSources(options: PodSourcesOptions): PodSources {
  const { configuration, nodeName, client, clock, logger, recorder, workers, status, nodeUid, observer } = options;
  const { staticPodPath, staticPodURL } = configuration;
  let markRead: () => void = () => undefined;
  const read = new Promise<void>(resolve => (markRead = resolve));
  if (staticPodPath === '') markRead();

  const statics: StaticPods = new StaticPods({
    workers: {
      updatePod: pod => {
        observer.podSeen(pod, clock.now());
        workers.updatePod(pod);
      },
      removePod: pod => {
        observer.podGone(pod);
        workers.removePod(pod);
      },
      isNameTaken: pod => workers.isNameTaken(pod),
      endOrphans: isOrphan => workers.endOrphans(isOrphan),
    },
    onProblem: (location, problem) => {
      logger.error({ manifest: location }, `No static pod is made of it: ${problem}`);
      recorder.event(nodeSubject(nodeName), 'Warning', 'InvalidStaticPod', `${location}: ${problem}`);
    },
    onWarning: (location, warning) => {
      logger.warn({ manifest: location }, warning);
      recorder.event(nodeSubject(nodeName), 'Warning', 'StaticPodField', `${location}: ${warning}`);
    },
    onChange: key => mirrors.look(key),
  });
  const mirrors: MirrorPods = new MirrorPods({
    client,
    clock,
    logger,
    nodeUid,
    staticPod: key => statics.get(key),
    isEnding: uid => workers.has(uid),
    onMirror: (uid, mirror) => status.mirrorSeen(uid, mirror),
  });
  const from =
    (source: string) =>
    (manifests: readonly Manifest[]): void => {
      statics.update(source, manifests);
      if (source === 'file') markRead();
    };
  const common = { nodeName, clock, logger };
  const files =
    staticPodPath === ''
      ? undefined
      : new FileSource({
          ...common,
          path: staticPodPath.replace(/(?<=.)\/+$/, ''),
          everyMs: durationMs(configuration.fileCheckFrequency),
          onManifests: from('file'),
        });
  const url =
    staticPodURL === ''
      ? undefined
      : new UrlSource({
          ...common,
          url: staticPodURL,
          headers: configuration.staticPodURLHeader ?? {},
          everyMs: durationMs(configuration.httpCheckFrequency),
          onManifests: from('http'),
        });
  const see = (pod: Pod): void => {
    if (mirroredHash(pod) === undefined) workers.updatePod(fromApi(pod));
    else mirrors.seen(pod);
  };
  return {
    async run(signal) {
      await Promise.all([mirrors.run(signal), files?.run(signal), url?.run(signal)]);
    },
    filesRead: () => read,
    apiPods: {
      onAdd: pod => {
        if (mirroredHash(pod) === undefined) observer.podSeen(pod, clock.now());
        see(pod);
      },
      onUpdate: (_older, pod) => see(pod),
      onDelete: pod => {
        if (mirroredHash(pod) !== undefined) return mirrors.gone(pod);
        observer.podGone(pod);
        workers.removePod(pod);
      },
    },
    podRemoved: pod => {
      statics.podRemoved(pod);
      // Its mirror was kept as long as there was something to show.
      if (uidOf(pod) !== '') mirrors.look(keyOf(pod));
    },
  };
}

/** Who writes the annotation of static pods on a pod of the API does not make it one. */
function fromApi(pod: Pod): Pod {
  if (pod.metadata.annotations?.[CONFIG_SOURCE] === undefined) return pod;
  const annotations = { ...pod.metadata.annotations, [CONFIG_SOURCE]: 'api' };
  return { ...pod, metadata: { ...pod.metadata, annotations } };
}
