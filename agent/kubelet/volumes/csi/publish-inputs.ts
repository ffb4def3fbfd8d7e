/** What a driver gets with a volume besides the volume: secrets, facts of the pod, tokens, the pod's label. */
import { access } from 'node:fs/promises';
import type { SecretReference } from '../../../../proto/api/core-v1.ts';
import type { TokenSource } from '../token-source.ts';
import type { CsiContext } from './csi-context.ts';
import type { CsiOrder } from './csi-order.ts';
import { seLinuxMountOption } from './plan/selinux-option.ts';
import { podInfo, TOKENS_KEY, tokensValue } from './plan/volume-context.ts';
import { secretValues } from './secrets.ts';

export class PublishInputs {
  private readonly context: CsiContext;
  private readonly tokens: TokenSource;
  private readonly hasSeLinux: Promise<boolean>;

  constructor(context: CsiContext, tokens: TokenSource) {
    this.context = context;
    this.tokens = tokens;
    this.hasSeLinux = access('/sys/fs/selinux/enforce').then(
      () => true,
      () => false,
    );
  }

  secrets(ref: SecretReference | undefined, signal: AbortSignal): Promise<Record<string, string>> {
    return secretValues(this.context.objects, ref, signal);
  }

  async seLinuxOption({ object, pod, request }: CsiOrder): Promise<string> {
    const isDeclared = object?.spec.seLinuxMount === true && (await this.hasSeLinux);
    return isDeclared ? seLinuxMountOption(pod, request.volume.name) : '';
  }

  /** For NodePublishVolume. @throws Error when a secret is missing, StatusError as the server said */
  async gather(
    order: CsiOrder,
    signal: AbortSignal,
  ): Promise<{ secrets: Record<string, string>; volumeContext: Record<string, string> }> {
    const { pod, volume, object } = order;
    const secrets = await this.secrets(volume.publishSecret, signal);
    const volumeContext = {
      ...volume.attributes,
      ...(object?.spec.podInfoOnMount === true ? podInfo(pod, volume) : {}),
    };
    const value = await this.tokensFor(order, signal);
    if (value === undefined) return { secrets, volumeContext };
    return object?.spec.serviceAccountTokenInSecrets === true
      ? { secrets: { ...secrets, [TOKENS_KEY]: value }, volumeContext }
      : { secrets, volumeContext: { ...volumeContext, [TOKENS_KEY]: value } };
  }

  forgetPod(podUid: string): void {
    this.tokens.forget(podUid);
  }

  private async tokensFor({ object, pod }: CsiOrder, signal: AbortSignal): Promise<string | undefined> {
    const requests = object?.spec.tokenRequests ?? [];
    if (requests.length === 0) return undefined;
    const tokens = await Promise.all(
      requests.map(async ({ audience, expirationSeconds }) => {
        const { token, expirationTimestamp } = await this.tokens.token(
          pod,
          { audience, path: '', expirationSeconds },
          signal,
        );
        return { audience, token, expirationTimestamp };
      }),
    );
    return tokensValue(tokens);
  }
}
