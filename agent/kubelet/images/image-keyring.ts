/**
 * Every login that may fit a pod's image, in upstream's order: the pod's pull secrets, the node's docker config, credential providers.
 *
 * What cannot be read is a problem to be told and keeps no other login from being tried; only an API that does not answer is an error.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { secrets } from '../../../machinery/client/resource.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { PodObjects } from '../objects/pod-objects.ts';
import { credentialsFor, secretLogins, type ImageCredential, type LoginSource } from './plan/image-credentials.ts';
import { fullImageName, type ImageName } from './plan/image-name.ts';
import type { ImageCredentialProvider } from './credential-provider.ts';
import { nodeLogins } from './node-docker-config.ts';

export interface ImageKeyringOptions {
  /** The kubelet's root. */
  readonly root: string;
  readonly objects: PodObjects;
  readonly providers: readonly ImageCredentialProvider[];
  readonly logger: Logger;
}

/** What was found. */
export interface FoundCredentials {
  /** In the order in which they are tried. */
  readonly credentials: readonly ImageCredential[];
  /** Names of pull secrets that do not exist. */
  readonly missingSecrets: readonly string[];
  /** What kept logins from being found, as clauses. */
  readonly problems: readonly string[];
}

export class ImageKeyring {
  private readonly options: ImageKeyringOptions;

  constructor(options: ImageKeyringOptions) {
    this.options = options;
  }

  /** @throws StatusError when secrets cannot be asked for */
  async find(pod: Pod, name: ImageName, signal: AbortSignal): Promise<FoundCredentials> {
    const problems: string[] = [];
    const missingSecrets: string[] = [];
    const [ofSecrets, ofNode, ofProviders] = await Promise.all([
      this.secretSources(pod, missingSecrets, problems, signal),
      nodeLogins(this.options.root),
      this.providerSources(pod, name, problems, signal),
    ]);
    const rings: LoginSource[][] = [ofSecrets, [{ source: { kind: 'node' }, logins: ofNode }], ofProviders];
    const credentials = rings.flatMap(sources => credentialsFor(name, sources));
    if (ofSecrets.length > 0 && credentials.length === 0) {
      problems.push(`none of the pod's imagePullSecrets is for ${name.domain}`);
    }
    return { credentials, missingSecrets, problems };
  }

  private async secretSources(
    pod: Pod,
    missing: string[],
    problems: string[],
    signal: AbortSignal,
  ): Promise<LoginSource[]> {
    const { namespace = '' } = pod.metadata;
    const names = pullSecretNames(pod);
    const found = await Promise.all(names.map(name => this.options.objects.get(secrets, namespace, name, signal)));
    return found.flatMap((secret, index) => {
      const name = names[index] ?? '';
      if (secret === undefined) {
        missing.push(name);
        problems.push(`there is no Secret ${namespace}/${name}`);
        return [];
      }
      const source = secretLogins(secret);
      if (source !== undefined) return [source];
      problems.push(
        `Secret ${namespace}/${name} of type ${secret.type ?? 'Opaque'} holds no credentials: it must be kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg`,
      );
      return [];
    });
  }

  private async providerSources(
    pod: Pod,
    name: ImageName,
    problems: string[],
    signal: AbortSignal,
  ): Promise<LoginSource[]> {
    const { providers, logger } = this.options;
    const found = await Promise.all(
      providers.map(provider =>
        provider.logins(pod, name, signal).catch((error: unknown) => {
          signal.throwIfAborted();
          logger.info({ err: error, image: fullImageName(name) }, 'A credential provider gives nothing');
          problems.push(errorText(error));
          return undefined;
        }),
      ),
    );
    return found.filter(source => source !== undefined);
  }
}

/** Without empty names and doubles. */
export function pullSecretNames(pod: Pod): string[] {
  return [...new Set((pod.spec.imagePullSecrets ?? []).flatMap(({ name = '' }) => (name === '' ? [] : [name])))];
}
