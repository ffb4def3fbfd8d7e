/**
 * One program that knows credentials: asked for an image with a request on its standard input, its answer kept for as long as it says.
 *
 * - Asked once for pods that ask at once. It has a minute.
 * - Neither the request (a token) nor the answer (passwords) is ever logged or part of an error.
 * Source: kubernetes.io/docs, "Configure a kubelet image credential provider"; `pkg/credentialprovider/plugin/plugin.go` 1.36.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Client } from '../../../machinery/client/client.ts';
import { serviceAccounts } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { CommandError } from '../../host/command-error.ts';
import type { Run } from '../../host/exec.ts';
import type { CredentialProvider, TokenAttributes } from './plan/credential-provider-config.ts';
import { parseProviderAnswer, type CredentialProviderAnswer } from './plan/credential-provider-response.ts';
import type { RegistryLogin } from './plan/docker-config.ts';
import type { LoginSource, ObjectCoordinates } from './plan/image-credentials.ts';
import { repositoryOf, type ImageName } from './plan/image-name.ts';
import { registryMatches } from './plan/registry-match.ts';
import type { TokenSource } from '../volumes/token-source.ts';

export interface CredentialProviderOptions {
  readonly provider: CredentialProvider;
  readonly binDir: string;
  readonly client: Client;
  readonly tokens: Pick<TokenSource, 'token'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly run: Run;
  /** Told of each run of the program. */
  readonly observe?: (seconds: number, failed: boolean) => void;
}

/** On whose behalf the program is asked. */
interface Asker {
  readonly account: ObjectCoordinates;
  readonly annotations: Readonly<Record<string, string>>;
  readonly token: string;
}

const DEADLINE_MS = 60_000;
const MAX_ERROR_LENGTH = 500;
/** What is shorter is a word like `true`. */
const MIN_SECRET_LENGTH = 8;

export class ImageCredentialProvider {
  private readonly options: CredentialProviderOptions;
  private readonly cache = new Map<string, { readonly logins: readonly RegistryLogin[]; readonly untilMs: number }>();
  private readonly asking = new Map<string, Promise<CredentialProviderAnswer>>();

  constructor(options: CredentialProviderOptions) {
    this.options = options;
  }

  /**
   * The logins that it has for the image; undefined where it is not for the image or the pod.
   * @throws Error in words, StatusError when the pod's account cannot be read
   */
  async logins(pod: Pod, name: ImageName, signal: AbortSignal): Promise<LoginSource | undefined> {
    const { provider, clock } = this.options;
    const image = repositoryOf(name);
    if (!provider.matchImages.some(pattern => registryMatches(pattern, image))) return undefined;
    let asker: Asker | undefined;
    if (provider.tokenAttributes !== undefined) {
      const found = await this.askerOf(pod, provider.tokenAttributes, signal);
      if (found === 'none') return undefined;
      asker = found;
    }
    const source =
      asker === undefined ? ({ kind: 'node' } as const) : ({ kind: 'serviceAccount', ...asker.account } as const);
    const scope = this.scopeOf(asker);
    for (const base of [image, name.domain, '']) {
      const kept = this.cache.get(`${scope} ${base}`);
      if (kept !== undefined && clock.now() < kept.untilMs) return { source, logins: kept.logins };
    }
    const answer = await this.ask(image, asker);
    const cacheMs = answer.cacheMs ?? provider.defaultCacheDurationMs;
    if (cacheMs > 0) {
      const base = { Image: image, Registry: name.domain, Global: '' }[answer.cacheKeyType];
      this.forgetOld();
      this.cache.set(`${scope} ${base}`, { logins: answer.logins, untilMs: clock.now() + cacheMs });
    }
    return { source, logins: answer.logins };
  }

  /** @returns `none` when the program is not for this pod; undefined to ask it without an account */
  private async askerOf(
    pod: Pod,
    attributes: TokenAttributes,
    signal: AbortSignal,
  ): Promise<Asker | 'none' | undefined> {
    const { client, tokens } = this.options;
    const { namespace = '' } = pod.metadata;
    const name = pod.spec.serviceAccountName ?? '';
    if (name === '') return attributes.requireServiceAccount ? 'none' : undefined;
    const account = await client.of(serviceAccounts).get({ namespace, name }, signal);
    const annotations: Record<string, string> = {};
    for (const key of attributes.requiredServiceAccountAnnotationKeys) {
      const value = account.metadata.annotations?.[key];
      // An account opts in by its annotations.
      if (value === undefined) return 'none';
      annotations[key] = value;
    }
    for (const key of attributes.optionalServiceAccountAnnotationKeys) {
      const value = account.metadata.annotations?.[key];
      if (value !== undefined) annotations[key] = value;
    }
    const { token } = await tokens.token(pod, { audience: attributes.serviceAccountTokenAudience, path: '' }, signal);
    return { account: { uid: account.metadata.uid ?? '', namespace, name }, annotations, token };
  }

  /** Who shares answers. */
  private scopeOf(asker: Asker | undefined): string {
    if (asker === undefined) return '';
    const { account, annotations, token } = asker;
    const perToken = this.options.provider.tokenAttributes?.cacheType === 'Token';
    const sorted = Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.stringify([account, sorted, perToken ? digest(token) : '']);
  }

  private ask(image: string, asker: Asker | undefined): Promise<CredentialProviderAnswer> {
    const key = JSON.stringify([image, asker?.annotations, asker === undefined ? '' : digest(asker.token)]);
    let asked = this.asking.get(key);
    if (asked === undefined) {
      asked = this.execute(image, asker).finally(() => this.asking.delete(key));
      this.asking.set(key, asked);
    }
    return asked;
  }

  private async execute(image: string, asker: Asker | undefined): Promise<CredentialProviderAnswer> {
    const { provider, binDir, clock, logger, run, observe } = this.options;
    const request = {
      kind: 'CredentialProviderRequest',
      apiVersion: provider.apiVersion,
      image,
      ...(asker === undefined ? {} : { serviceAccountToken: asker.token }),
      ...(asker === undefined || Object.keys(asker.annotations).length === 0
        ? {}
        : { serviceAccountAnnotations: asker.annotations }),
    };
    const env = { ...process.env, ...Object.fromEntries(provider.env.map(({ name, value }) => [name, value])) };
    const startedMs = clock.monotonicMs();
    let failed = true;
    try {
      const argv = [join(binDir, provider.name), ...provider.args];
      const { stdout } = await run(argv, { input: JSON.stringify(request), env, timeoutMs: DEADLINE_MS });
      failed = false;
      return this.checked(parseProviderAnswer(stdout, provider.apiVersion), asker);
    } catch (error) {
      // Not as a cause: the error of a command holds what the command printed.
      const message = `credential provider ${provider.name} failed: ${reasonOf(error)}`;
      const secrets = [asker?.token ?? '', ...provider.env.map(({ value }) => value)];
      const stderr =
        error instanceof CommandError ? withoutSecrets(error.stderr, secrets).slice(-MAX_ERROR_LENGTH) : '';
      logger.warn({ image, stderr }, message);
      throw new Error(message);
    } finally {
      observe?.((clock.monotonicMs() - startedMs) / 1000, failed);
    }
  }

  /** A token must not outlive its pod in a cache that the account's other pods share. */
  private checked(answer: CredentialProviderAnswer, asker: Asker | undefined): CredentialProviderAnswer {
    const perToken = this.options.provider.tokenAttributes?.cacheType === 'Token';
    if (asker !== undefined && !perToken && answer.logins.some(({ password }) => password === asker.token)) {
      throw new Error("it returned the service account's token as password, which needs cacheType Token");
    }
    return answer;
  }

  private forgetOld(): void {
    const nowMs = this.options.clock.now();
    for (const [key, { untilMs }] of this.cache) if (untilMs <= nowMs) this.cache.delete(key);
  }
}

/** Programs print what they were given when they do not understand it. */
function withoutSecrets(text: string, secrets: readonly string[]): string {
  const told = secrets.filter(({ length }) => length >= MIN_SECRET_LENGTH);
  return told.reduce((left, secret) => left.replaceAll(secret, '<masked>'), text).trim();
}

function reasonOf(error: unknown): string {
  if (!(error instanceof CommandError)) return errorText(error);
  return error.reason ?? (error.exitCode === undefined ? `killed by ${error.killedBy}` : `exit code ${error.exitCode}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
