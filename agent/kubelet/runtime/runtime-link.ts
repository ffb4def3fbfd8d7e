/** Which runtime the kubelet works with, and what it can; known once it has answered for the first time. */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { isAppArmorEnabled } from '../../host/app-armor.ts';
import type { RuntimeAbilities } from '../plan/unsupported.ts';
import { isUnavailable } from './runtime-error.ts';
import type { RuntimeService, RuntimeVersion } from './runtime-service.ts';

export interface RuntimeLinkOptions {
  readonly runtime: RuntimeService;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY_MS = 500;

export class RuntimeLink {
  /** `containerd`, `cri-o`, ... */
  name = 'containerd';
  version = '';
  abilities: RuntimeAbilities = {
    recursiveReadOnlyMounts: false,
    supplementalGroupsPolicy: false,
    appArmor: false,
    userNamespaces: new Set(),
  };
  private readonly options: RuntimeLinkOptions;

  constructor(options: RuntimeLinkOptions) {
    this.options = options;
  }

  /** Waits for the runtime and asks it. @throws what it answers but "unavailable", or the signal's reason */
  async connect(signal: AbortSignal): Promise<RuntimeVersion> {
    const answer = await this.firstAnswer(signal);
    this.name = answer.runtimeName;
    this.version = answer.runtimeVersion;
    try {
      this.abilities = await this.askAbilities(signal);
    } catch (error) {
      signal.throwIfAborted();
      this.options.logger.warn({ err: error }, 'The container runtime does not say what it can');
    }
    return answer;
  }

  private async firstAnswer(signal: AbortSignal): Promise<RuntimeVersion> {
    const { runtime, clock, logger } = this.options;
    for (let told = false; ; told = true) {
      try {
        return await runtime.version({ signal });
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        if (!told) logger.warn({ err: error }, 'The container runtime does not answer; waiting for it');
        await clock.sleep(RETRY_MS, signal);
      }
    }
  }

  /** What the default handler can; runtimes that do not say can nothing. */
  private async askAbilities(signal: AbortSignal): Promise<RuntimeAbilities> {
    const [{ runtimeHandlers = [], features }, appArmor] = await Promise.all([
      this.options.runtime.status({ signal }),
      isAppArmorEnabled(),
    ]);
    const byDefault = runtimeHandlers.find(({ name = '' }) => name === '')?.features;
    return {
      recursiveReadOnlyMounts: byDefault?.recursiveReadOnlyMounts === true,
      supplementalGroupsPolicy: features?.supplementalGroupsPolicy === true,
      appArmor,
      userNamespaces: new Set(
        runtimeHandlers.filter(handler => handler.features?.userNamespaces).map(({ name }) => name),
      ),
    };
  }
}
