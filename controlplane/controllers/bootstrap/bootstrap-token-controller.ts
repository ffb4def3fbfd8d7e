/**
 * Bootstrap tokens: removes expired ones, and signs `kube-public/cluster-info` with each that may sign, so that whoever holds a token can check
 * what cluster it joins. Source: kubernetes.io/docs, "Authenticating with Bootstrap Tokens".
 */
import type { ConfigMap, Secret } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { configMaps, secrets } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { absent } from '../../../machinery/meta/status-error-from.ts';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_SECRET_TYPE,
  readBootstrapTokenSecret,
} from '../../../machinery/pki/bootstrap-token.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { signClusterInfo } from './plan.ts';

const NAMESPACE = 'kube-public';
const NAME = 'cluster-info';
const SIGN = 'sign';

/** Keys: names of token Secrets, and `sign`. */
export class BootstrapTokenController implements Controller, Reconciler {
  readonly name = 'bootstrap-signer';
  private readonly context: ControllerContext;
  private readonly cleaner: Client;
  private readonly queue: WorkQueue;
  private readonly tokens: Informer<Secret>;
  private readonly info: Informer<ConfigMap>;

  /** @param cleaner a client that may delete token Secrets: acts as `token-cleaner` */
  constructor(context: ControllerContext, cleaner: Client) {
    this.context = context;
    this.cleaner = cleaner;
    this.queue = new WorkQueue({ clock: context.clock });
    const fieldSelector = `type=${BOOTSTRAP_TOKEN_SECRET_TYPE}`;
    this.tokens = context.informers.informer(secrets, { namespace: BOOTSTRAP_TOKEN_NAMESPACE, fieldSelector });
    this.info = context.informers.informer(configMaps, {
      namespace: NAMESPACE,
      fieldSelector: `metadata.name=${NAME}`,
    });
    const onToken = (secret: Secret): void => {
      this.queue.add(secret.metadata.name ?? '');
      this.queue.add(SIGN);
    };
    this.tokens.addHandler({ onAdd: onToken, onUpdate: (_older, secret) => onToken(secret), onDelete: onToken });
    this.info.addHandler({ onAdd: () => this.queue.add(SIGN), onUpdate: () => this.queue.add(SIGN) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue(
      { name, context, queue, reconciler: this, informers: [this.tokens, this.info], workers: 1 },
      signal,
    );
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    return key === SIGN ? this.sign(signal) : this.expire(key, signal);
  }

  private async expire(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const secret = this.tokens.lister.get(BOOTSTRAP_TOKEN_NAMESPACE, name);
    const expiresAtMs = secret === undefined ? undefined : readBootstrapTokenSecret(secret)?.expiresAtMs;
    if (secret === undefined || expiresAtMs === undefined) return 'awaitChange';
    const leftMs = expiresAtMs - this.context.clock.now();
    if (leftMs > 0) return { afterMs: leftMs };
    const preconditions = { uid: secret.metadata.uid };
    await this.cleaner
      .of(secrets)
      .delete({ namespace: BOOTSTRAP_TOKEN_NAMESPACE, name }, { preconditions, signal })
      .catch(absent);
    return 'awaitChange';
  }

  private async sign(signal: AbortSignal): Promise<ReconcileResult> {
    const info = this.info.lister.get(NAMESPACE, NAME);
    if (info === undefined) return 'awaitChange';
    const grants = this.tokens.lister
      .list()
      .map(readBootstrapTokenSecret)
      .filter(grant => grant !== undefined);
    const data = signClusterInfo(info.data ?? {}, grants, this.context.clock.now());
    if (jsonEquals(data, info.data ?? {})) return 'awaitChange';
    await this.context.client.of(configMaps).update({ ...info, data }, { signal });
    return 'awaitChange';
  }
}
