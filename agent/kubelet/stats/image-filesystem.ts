/** Where the runtime keeps images and containers' writable layers. Asked for once: it does not move while the runtime runs. */
import { stat } from 'node:fs/promises';
import type { FilesystemLayout } from '../eviction/plan/thresholds.ts';
import type { ImageService } from '../runtime/runtime-service.ts';

export interface RuntimePlaces {
  readonly images: string;
  readonly containers: string;
}

export class ImageFilesystem {
  private readonly images: ImageService;
  private known: Promise<RuntimePlaces> | undefined;

  constructor(images: ImageService) {
    this.images = images;
  }

  /** @throws RuntimeError, or an Error if the runtime names no place */
  places(): Promise<RuntimePlaces> {
    return (this.known ??= this.ask().catch((error: unknown) => {
      this.known = undefined;
      throw error;
    }));
  }

  /** @param root the kubelet's folder. @throws as `places()`, or the file system's error */
  async layout(root: string): Promise<FilesystemLayout> {
    const { images, containers } = await this.places();
    const [own, ofImages, ofContainers] = await Promise.all([root, images, containers].map(deviceOf));
    const dedicatedImageFs = own !== ofImages;
    return { dedicatedImageFs, splitContainerFs: dedicatedImageFs && ofContainers !== ofImages };
  }

  private async ask(): Promise<RuntimePlaces> {
    const { imageFilesystems, containerFilesystems } = await this.images.imageFsInfo();
    const images = imageFilesystems[0]?.fsId?.mountpoint;
    if (images === undefined || images === '') throw new Error('the container runtime does not say where images lie');
    return { images, containers: containerFilesystems[0]?.fsId?.mountpoint ?? images };
  }
}

async function deviceOf(path: string): Promise<number> {
  return (await stat(path)).dev;
}
