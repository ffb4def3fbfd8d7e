/** kubectl as a user runs it on a host: unmodified, with the administrator's kubeconfig. */
import type { CommandOptions, CommandResult } from './command.ts';
import type { Host } from './host.ts';
import { waitFor, type WaitOptions } from './wait-for.ts';

/** An object as JSON gives it; tests look into it freely. */
export interface KubeObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
    readonly resourceVersion?: string;
    readonly annotations?: Record<string, string>;
    readonly deletionTimestamp?: string;
  };
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
}

export interface PodObject extends KubeObject {
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase?: string;
    readonly reason?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { type: string; status: string; reason?: string; message?: string }[];
    readonly containerStatuses?: readonly {
      name: string;
      ready: boolean;
      restartCount: number;
      containerID?: string;
      state: Record<string, { reason?: string; message?: string; exitCode?: number; startedAt?: string } | undefined>;
      lastState?: Record<string, { reason?: string; exitCode?: number } | undefined>;
    }[];
  };
}

export class Kubectl {
  readonly host: Host;
  readonly namespace: string;
  private readonly program: string;

  /** @param program another kubectl than the one that the host has */
  constructor(host: Host, namespace = 'default', program = 'kubectl') {
    this.host = host;
    this.namespace = namespace;
    this.program = program;
  }

  in(namespace: string): Kubectl {
    return new Kubectl(this.host, namespace, this.program);
  }

  argv(args: readonly string[]): string[] {
    return [this.program, '--kubeconfig', this.host.kubeconfig, '--namespace', this.namespace, ...args];
  }

  /** Minor version of the kubectl here: Debian 12 has 1.20, which lacks later commands. */
  async minorVersion(): Promise<number> {
    const out = await this.host.run([this.program, 'version', '--client', '-o', 'json']);
    const { clientVersion } = JSON.parse(out) as { clientVersion: { minor: string } };
    return Number.parseInt(clientVersion.minor, 10);
  }

  /** @returns standard output @throws FailedCommand */
  run(args: readonly string[], options?: CommandOptions): Promise<string> {
    return this.host.run(this.argv(args), options);
  }

  try(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return this.host.tryRun(this.argv(args), options);
  }

  async json<T = KubeObject>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.run([...args, '-o', 'json'])) as T;
  }

  async list<T = KubeObject>(args: readonly string[]): Promise<readonly T[]> {
    return (await this.json<{ items: T[] }>(['get', ...args])).items;
  }

  pod(name: string): Promise<PodObject> {
    return this.json<PodObject>(['get', 'pod', name]);
  }

  pods(selector?: string): Promise<readonly PodObject[]> {
    return this.list<PodObject>(['pods', ...(selector === undefined ? [] : ['-l', selector])]);
  }

  /** @param objects YAML text or objects */
  apply(...objects: readonly (object | string)[]): Promise<string> {
    return this.run(['apply', '-f', '-'], { input: documents(objects) });
  }

  create(...objects: readonly (object | string)[]): Promise<string> {
    return this.run(['create', '-f', '-'], { input: documents(objects) });
  }

  tryCreate(...objects: readonly (object | string)[]): Promise<CommandResult> {
    return this.try(['create', '-f', '-'], { input: documents(objects) });
  }

  /** `sh -c SCRIPT` in a pod's first container. */
  exec(pod: string, script: string): Promise<string> {
    return this.run(['exec', pod, '--', '/bin/sh', '-c', script]);
  }

  tryExec(pod: string, script: string): Promise<CommandResult> {
    return this.try(['exec', pod, '--', '/bin/sh', '-c', script]);
  }

  waitReady(what: string, seconds = 60): Promise<string> {
    return this.run(['wait', '--for=condition=Ready', `--timeout=${seconds}s`, ...what.split(' ')], {
      timeoutMs: (seconds + 10) * 1000,
    });
  }

  waitGone(what: string, seconds = 60): Promise<string> {
    return this.run(['wait', '--for=delete', `--timeout=${seconds}s`, ...what.split(' ')], {
      timeoutMs: (seconds + 10) * 1000,
    });
  }

  /** Waits until a pod is as `condition` wants it. */
  waitPod(
    name: string,
    what: string,
    condition: (pod: PodObject) => boolean,
    options?: WaitOptions,
  ): Promise<PodObject> {
    let last: PodObject | undefined;
    return waitFor(
      `pod ${name}: ${what}`,
      async () => {
        last = await this.pod(name);
        if (condition(last)) return last;
        throw new Error(JSON.stringify(last.status));
      },
      { everyMs: 250, ...options },
    );
  }

  /** Messages of the events about an object, newest last. */
  async events(name: string): Promise<readonly { reason: string; message: string }[]> {
    return this.list(['events', '--field-selector', `involvedObject.name=${name}`]);
  }

  /** Waits for an event about an object. @returns its message */
  waitEvent(name: string, reason: string, message: RegExp, options?: WaitOptions): Promise<string> {
    const isIt = (event: { reason: string; message: string }): boolean =>
      event.reason === reason && message.test(event.message);
    const what = `event ${reason} of ${name} that says ${message}`;
    return waitFor(what, async () => (await this.events(name)).find(isIt)?.message, options);
  }

  /** `True`, `False` or `Unknown`, of the first node. */
  nodeReady(): Promise<string> {
    return this.run(['get', 'nodes', '-o', 'jsonpath={.items[0].status.conditions[?(@.type=="Ready")].status}']);
  }

  /** A namespace with a name of its own, ready for pods. */
  async newNamespace(purpose: string): Promise<Kubectl> {
    const name = `${purpose}-${Math.random().toString(36).slice(2, 7)}`;
    await this.run(['create', 'namespace', name]);
    const there = this.in(name);
    await waitFor(
      'the default service account',
      async () => (await there.try(['get', 'serviceaccount', 'default'])).code === 0,
    );
    return there;
  }

  /** Deletes the namespace and waits until it is gone. */
  async removeNamespace(): Promise<void> {
    await this.run(['delete', 'namespace', this.namespace, '--timeout=90s'], { timeoutMs: 100_000 });
  }
}

/** Whether the pod's condition Ready is true. */
export function isReady({ status }: Pick<PodObject, 'status'>): boolean {
  return status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
}

/** Concatenated JSON, which kubectl reads as it reads documents of YAML; text stands alone. */
function documents(objects: readonly (object | string)[]): string {
  return objects.map(o => (typeof o === 'string' ? o : JSON.stringify(o))).join('\n');
}
