/** Puts the kubelet's images together: who may log in where, pulls, records, and what the node tells of them. */
import type { Client } from '../../../machinery/client/client.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { run } from '../../host/exec.ts';
import type { KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import type { PodObjects } from '../objects/pod-objects.ts';
import type { CredentialProvider } from './plan/credential-provider-config.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { VERIFICATION_POLICIES } from './plan/verification-policy.ts';
import type { SampleDownloads } from '../runtime/images/download-progress.ts';
import type { ImageService } from '../runtime/runtime-service.ts';
import { TokenSource } from '../volumes/token-source.ts';
import { ImageCredentialProvider } from './credential-provider.ts';
import { ImageKeyring } from './image-keyring.ts';
import { ImageManager } from './image-manager.ts';
import { ImagePuller } from './image-puller.ts';
import { NodeImages } from './node-images.ts';
import { PodPulls } from './pod-pulls.ts';
import { PullRecords } from './pull-records.ts';
import { watchPullSecrets } from './watch-pull-secrets.ts';

/** Programs that know credentials. */
export interface CredentialProviders {
  readonly providers: readonly CredentialProvider[];
  /** Where they lie. */
  readonly binDir: string;
}

/** Told of what happens, for metrics. */
export interface ImageObserver {
  imagePulled(sizeBytes: number, seconds: number, podUid: string): void;
  credentialProviderRan(name: string, seconds: number, failed: boolean): void;
}

export interface ImagesOptions {
  readonly configuration: KubeletConfiguration;
  /** The kubelet's root. */
  readonly root: string;
  readonly images: ImageService;
  readonly downloads: SampleDownloads;
  readonly credentialProviders: CredentialProviders | undefined;
  readonly client: Client;
  readonly objects: PodObjects;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: ImageObserver;
  /** Wakes a pod's worker. */
  readonly wake: (podUid: string) => void;
}

export interface Images {
  readonly manager: ImageManager;
  readonly ofNode: NodeImages;
}

export function createImages(options: ImagesOptions): Images {
  const { configuration, root, images, client, objects, recorder, clock, logger, observer, wake } = options;
  const policy = configuration.imagePullCredentialsVerificationPolicy;
  const records = new PullRecords({
    root,
    images,
    policy: VERIFICATION_POLICIES.find(known => known === policy) ?? 'AlwaysVerify',
    allowlist: configuration.preloadedImagesVerificationAllowlist ?? [],
    clock,
    logger,
  });
  const ofNode = new NodeImages({ images, records, max: configuration.nodeStatusMaxImages, clock, logger });
  const { providers, binDir } = options.credentialProviders ?? { providers: [], binDir: '' };
  const tokens = new TokenSource(client, clock);
  const keyring = new ImageKeyring({
    root,
    objects,
    logger,
    providers: providers.map(
      provider =>
        new ImageCredentialProvider({
          provider,
          binDir,
          client,
          tokens,
          clock,
          logger,
          run,
          observe: (seconds, failed) => observer.credentialProviderRan(provider.name, seconds, failed),
        }),
    ),
  });
  const puller = new ImagePuller({
    images,
    downloads: options.downloads,
    clock,
    logger,
    limit: configuration.maxParallelImagePulls ?? Number.POSITIVE_INFINITY,
    perSecond: configuration.registryPullQPS,
    burst: configuration.registryBurst,
  });
  const pulls = new PodPulls({
    images,
    keyring,
    puller,
    records,
    clock,
    logger,
    recorder,
    onPulled: (image, tookMs, pod) => {
      ofNode.changed();
      if (image !== undefined) observer.imagePulled(Number(image.size), tookMs / 1000, uidOf(pod));
    },
  });
  const manager = new ImageManager({
    images,
    keyring,
    records,
    pulls,
    clock,
    recorder,
    wake,
    watchSecrets: (pod, onChange) => watchPullSecrets(objects, pod, onChange),
    onGone: uid => tokens.forget(uid),
  });
  return { manager, ofNode };
}
