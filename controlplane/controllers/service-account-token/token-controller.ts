/**
 * Fills Secrets of type kubernetes.io/service-account-token that users make, and deletes them with their account. With `everyAccount` it also
 * makes one such Secret for each ServiceAccount and lists it in `.secrets`, as clusters did up to 1.23; off by default.
 */
import type { Secret, ServiceAccount } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { secrets, serviceAccounts } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { templateHash } from '../../../machinery/meta/name-hash.ts';
import { objectKey, splitKey } from '../../../machinery/meta/object.ts';
import { absent, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { ensure } from '../runtime/ensure.ts';
import { ACCOUNT_NAME, ACCOUNT_UID, planTokenSecret, TOKEN_TYPE } from './plan.ts';

/** Signs tokens that do not expire; ServiceAccountTokens is one. */
export interface LegacyTokenIssuer {
  issueLegacy(namespace: string, serviceAccount: { name: string; uid: string }, secretName: string): string;
}

export interface TokenControllerOptions {
  caPem: string;
  issuer: LegacyTokenIssuer;
  everyAccount: boolean;
}

/** Keys name ServiceAccounts; a run looks at the account and all its Secrets. */
export class TokenController implements Controller, Reconciler {
  readonly name = 'tokens-controller';
  private readonly context: ControllerContext;
  private readonly options: TokenControllerOptions;
  private readonly queue: WorkQueue;
  private readonly accounts: Informer<ServiceAccount>;
  private readonly secrets: Informer<Secret>;

  constructor(context: ControllerContext, options: TokenControllerOptions) {
    this.context = context;
    this.options = options;
    this.queue = new WorkQueue({ clock: context.clock });
    this.accounts = context.informers.informer(serviceAccounts);
    this.secrets = context.informers.informer(secrets, { fieldSelector: `type=${TOKEN_TYPE}` });
    this.secrets.addIndex('account', secret => [accountKey(secret)]);
    const onAccount = ({ metadata }: ServiceAccount): void =>
      this.queue.add(objectKey(metadata.namespace, metadata.name ?? ''));
    const onSecret = (secret: Secret): void => this.queue.add(accountKey(secret));
    this.accounts.addHandler({
      onAdd: onAccount,
      onUpdate: (_older, account) => onAccount(account),
      onDelete: onAccount,
    });
    this.secrets.addHandler({ onAdd: onSecret, onUpdate: (_older, secret) => onSecret(secret), onDelete: onSecret });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.accounts, this.secrets] }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const account = this.accounts.lister.get(namespace, name);
    for (const secret of this.secrets.lister.byIndex('account', key)) await this.syncSecret(secret, account, signal);
    const alive = account !== undefined && account.metadata.deletionTimestamp === undefined;
    if (alive && this.options.everyAccount) await this.ensureOwnSecret(account, signal);
    return 'awaitChange';
  }

  private async syncSecret(secret: Secret, account: ServiceAccount | undefined, signal: AbortSignal): Promise<void> {
    const client = this.context.client.of(secrets);
    const plan = planTokenSecret(secret, account, this.options.caPem);
    const { namespace, name = '', uid } = secret.metadata;
    if (plan.kind === 'keep') return;
    try {
      if (plan.kind === 'delete') return await client.delete({ namespace, name }, { preconditions: { uid }, signal });
      const data =
        plan.needsToken && account !== undefined ? { ...plan.data, token: this.token(account, name) } : plan.data;
      const annotations = { ...secret.metadata.annotations, [ACCOUNT_UID]: account?.metadata.uid ?? '' };
      await client.update({ ...secret, metadata: { ...secret.metadata, annotations }, data }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private async ensureOwnSecret(account: ServiceAccount, signal: AbortSignal): Promise<void> {
    const { namespace, name: accountName = '', uid = '' } = account.metadata;
    // The same name each time: a run that was cut off leaves nothing over.
    const name = `${accountName}-token-${templateHash(uid).slice(0, 5)}`;
    if (this.secrets.lister.get(namespace, name) === undefined) {
      const metadata = { namespace, name, annotations: { [ACCOUNT_NAME]: accountName, [ACCOUNT_UID]: uid } };
      const base64 = (text: string): string => Buffer.from(text).toString('base64');
      const data = {
        token: this.token(account, name),
        'ca.crt': base64(this.options.caPem),
        namespace: base64(namespace ?? ''),
      };
      if (!(await ensure(this.context.client, secrets, { metadata, type: TOKEN_TYPE, data }, signal))) return;
    }
    if (account.secrets?.some(reference => reference.name === name) === true) return;
    const next = { ...account, secrets: [...(account.secrets ?? []), { name }] };
    await this.context.client.of(serviceAccounts).update(next, { signal }).catch(absent);
  }

  private token(account: ServiceAccount, secretName: string): string {
    const { namespace = '', name = '', uid = '' } = account.metadata;
    return Buffer.from(this.options.issuer.issueLegacy(namespace, { name, uid }, secretName)).toString('base64');
  }
}

function accountKey(secret: Secret): string {
  return objectKey(secret.metadata.namespace, secret.metadata.annotations?.[ACCOUNT_NAME] ?? '');
}
