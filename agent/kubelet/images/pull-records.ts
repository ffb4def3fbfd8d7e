/**
 * Who may use an image that is there, by the records of pulls that the kubelet keeps on disk.
 *
 * - What was begun is written before the pull, so a kubelet that is killed in it knows afterwards that the image was none of those that
 *   others brought.
 * - A record that cannot be read counts as one that grants nothing.
 * Source: `pkg/kubelet/images/pullmanager/{fs_pullrecords,image_pull_manager}.go` 1.36.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { ImageCredential } from './plan/image-credentials.ts';
import { fullImageName, parseImageName, repositoryOf, type ImageName } from './plan/image-name.ts';
import { afterPull, grantOf, type ImagePulledRecord } from './plan/pull-record.ts';
import { needsVerification, type VerificationPolicy } from './plan/verification-policy.ts';
import type { ImageService } from '../runtime/runtime-service.ts';
import { PullRecordFiles } from './pull-record-files.ts';

export interface PullRecordsOptions {
  /** The kubelet's root. */
  readonly root: string;
  readonly images: ImageService;
  readonly policy: VerificationPolicy;
  /** For NeverVerifyAllowlistedImages. */
  readonly allowlist: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An image of the runtime, by its id and names. */
export interface NamedImage {
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
}

export class PullRecords {
  private readonly options: PullRecordsOptions;
  private readonly files: PullRecordFiles;
  /** Pulls under way, by full name: the last to end takes the intent away. */
  private readonly begun = new Map<string, number>();
  /** Records change one after the other. */
  private last: Promise<unknown> = Promise.resolve();
  private settled: Promise<void> | undefined;

  constructor(options: PullRecordsOptions) {
    this.options = options;
    this.files = new PullRecordFiles(options.root);
  }

  /** A pull begins. @throws when that cannot be written: an image must not come without a trace */
  async begin(name: ImageName): Promise<void> {
    const image = fullImageName(name);
    this.begun.set(image, (this.begun.get(image) ?? 0) + 1);
    try {
      await this.files.writeIntent(image);
    } catch (error) {
      await this.forgetIntent(image);
      throw error;
    }
  }

  /** It ended well. @param credential what was logged in with, if anything */
  async pulled(name: ImageName, imageRef: string, credential: ImageCredential | undefined): Promise<void> {
    try {
      await this.write(name, imageRef, credential);
    } catch (error) {
      // The intent stays and says that the image came by us: whoever wants it pulls again.
      this.options.logger.warn({ err: error, image: fullImageName(name) }, 'Cannot record the pull of an image');
      this.countDown(fullImageName(name));
      return;
    }
    await this.forgetIntent(fullImageName(name));
  }

  async failed(name: ImageName): Promise<void> {
    await this.forgetIntent(fullImageName(name));
  }

  /**
   * Whether a pod must pull the image though it is there.
   * @param credentials the pod's, asked for only if they matter. What it throws is thrown.
   */
  async mustPull(
    name: ImageName,
    image: NamedImage,
    credentials: () => Promise<readonly ImageCredential[]>,
  ): Promise<boolean> {
    const { policy, allowlist, logger } = this.options;
    if (policy === 'NeverVerify') return false;
    const repository = repositoryOf(name);
    const record = await this.readSettled(image.id);
    const isBegun = await this.isBegun(fullImageName(name)).catch(() => true);
    if (!needsVerification(policy, allowlist, repository, isBegun || cameByKubelet(record, repository, image))) {
      return false;
    }
    const granted = typeof record === 'object' ? record.credentialMapping?.[repository] : undefined;
    if (granted === undefined) return true;
    if (granted.nodePodsAccessible === true) return false;
    if ((granted.kubernetesSecrets ?? []).length + (granted.kubernetesServiceAccounts ?? []).length === 0) return true;
    const grant = grantOf(granted, await credentials());
    if (grant === undefined) return true;
    if (grant.learnt) {
      await this.write(name, image.id, grant.credential).catch((error: unknown) =>
        logger.warn({ err: error, image: fullImageName(name) }, 'Cannot record who may use an image'),
      );
    }
    return false;
  }

  /** Whether every pod may use the image, whatever it calls it: who names an id proves no right to any repository. */
  async isForAll(imageRef: string): Promise<boolean> {
    if (this.options.policy === 'NeverVerify') return true;
    const record = await this.readSettled(imageRef);
    if (record === undefined) return this.options.policy === 'NeverVerifyPreloadedImages';
    if (record === 'unreadable') return false;
    return Object.values(record.credentialMapping ?? {}).some(({ nodePodsAccessible }) => nodePodsAccessible === true);
  }

  /**
   * Images were collected: records of what is gone go too.
   * @param present ids of the images that are there
   * @param beganMs when they were listed; younger records stay
   */
  async prune(present: ReadonlySet<string>, beganMs: number): Promise<void> {
    // Records have whole seconds; one whose time cannot be read is old.
    const stayFromMs = Math.floor(beganMs / 1000) * 1000;
    await this.files.prune(
      ({ imageRef, lastUpdatedTime }) => !present.has(imageRef) && !(Date.parse(lastUpdatedTime) >= stayFromMs),
    );
  }

  private write(name: ImageName, imageRef: string, credential: ImageCredential | undefined | 'unknown'): Promise<void> {
    const change = async (): Promise<void> => {
      const known = await this.read(imageRef);
      const record = known === 'unreadable' ? undefined : known;
      const next = afterPull(record, imageRef, repositoryOf(name), credential, this.options.clock.now());
      if (next !== record) await this.files.write(next);
    };
    const done = this.last.then(change, change);
    this.last = done.catch(() => undefined);
    return done;
  }

  private async readSettled(imageRef: string): Promise<ImagePulledRecord | 'unreadable' | undefined> {
    await this.settle();
    await this.last;
    return this.read(imageRef);
  }

  private async read(imageRef: string): Promise<ImagePulledRecord | 'unreadable' | undefined> {
    try {
      return await this.files.read(imageRef);
    } catch (error) {
      this.options.logger.warn({ err: error, image: imageRef }, 'Cannot read who may use an image; it grants nothing');
      return 'unreadable';
    }
  }

  private async isBegun(image: string): Promise<boolean> {
    return (this.begun.get(image) ?? 0) > 0 || this.files.hasIntent(image);
  }

  private async forgetIntent(image: string): Promise<void> {
    if (this.countDown(image) > 0) return;
    await this.files
      .removeIntent(image)
      .catch((error: unknown) => this.options.logger.warn({ err: error, image }, 'Cannot remove the note of a pull'));
  }

  private countDown(image: string): number {
    const left = (this.begun.get(image) ?? 1) - 1;
    if (left > 0) this.begun.set(image, left);
    else this.begun.delete(image);
    return left;
  }

  /** Once, before the first question: pulls of an earlier life that came to an end get a record that grants nothing. */
  private settle(): Promise<void> {
    this.settled ??= this.settleIntents().catch((error: unknown) => {
      this.settled = undefined;
      this.options.logger.warn({ err: error }, 'Cannot tell which pulls of an earlier life ended; trying again');
    });
    return this.settled;
  }

  private async settleIntents(): Promise<void> {
    const intended = (await this.files.intents()).filter(image => !this.begun.has(image));
    if (intended.length === 0) return;
    const images = await this.options.images.listImages();
    for (const text of intended) {
      const image = images.find(({ repoTags, repoDigests }) => repoTags.includes(text) || repoDigests.includes(text));
      const name = parseImageName(text);
      if (image === undefined || name === undefined) continue;
      await this.write(name, image.id, 'unknown');
      if (!this.begun.has(text)) await this.files.removeIntent(text);
    }
  }
}

/**
 * A record that does not know the repository is of the same content under another name: under this one somebody else brought it, if the
 * runtime has it by this name.
 */
function cameByKubelet(
  record: ImagePulledRecord | 'unreadable' | undefined,
  repository: string,
  { repoTags, repoDigests }: NamedImage,
): boolean {
  if (record === undefined) return false;
  if (record === 'unreadable' || record.credentialMapping?.[repository] !== undefined) return true;
  return ![...repoTags, ...repoDigests].some(
    known => known.startsWith(`${repository}:`) || known.startsWith(`${repository}@`),
  );
}
