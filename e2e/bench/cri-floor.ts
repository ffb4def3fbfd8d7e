/**
 * What the container runtime alone takes for a pod, called directly: RunPodSandbox, CreateContainer, StartContainer. No kubelet can be
 * faster on the same runtime.
 */
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  RuntimeServiceClient,
  type CreateContainerResponse,
  type RunPodSandboxResponse,
} from '../../proto/cri/runtime.gen.ts';

const DEADLINE_MS = 120_000;
const NAMESPACE = 'cri-floor';

export class CriFloor {
  private readonly client: RuntimeServiceClient;
  private readonly cgroupParent: string;
  private readonly logDirectory: string;
  private readonly image: string;
  private serial = 0;

  /** @param cgroupParent as a path, for example /k8ts */
  constructor(socketPath: string, cgroupParent: string, logDirectory: string, image: string) {
    this.client = new RuntimeServiceClient(`unix:${socketPath}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
    });
    this.cgroupParent = cgroupParent;
    this.logDirectory = logDirectory;
    this.image = image;
  }

  close(): void {
    this.client.close();
  }

  /** @returns milliseconds of each pod */
  async oneAtATime(count: number): Promise<number[]> {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const begin = performance.now();
      const id = await this.start();
      times.push(performance.now() - begin);
      await this.remove(id);
    }
    return times;
  }

  /** @returns milliseconds until the last runs */
  async allAtOnce(count: number): Promise<number> {
    const begin = performance.now();
    const ids = await Promise.all(Array.from({ length: count }, () => this.start()));
    const ms = performance.now() - begin;
    await Promise.all(ids.map(id => this.remove(id)));
    return ms;
  }

  private async start(): Promise<string> {
    const name = `floor-${++this.serial}-${process.pid}`;
    const sandboxConfig = {
      metadata: { name, uid: name, namespace: NAMESPACE, attempt: 0 },
      hostname: name,
      logDirectory: this.logDirectory,
      linux: { cgroupParent: `${this.cgroupParent}/${name}` },
    };
    const c = this.client;
    const sandbox = await call<RunPodSandboxResponse>(done =>
      c.runPodSandbox({ config: sandboxConfig }, new Metadata(), deadline(), done),
    );
    const podSandboxId = sandbox.podSandboxId ?? '';
    const config = {
      metadata: { name: 'main', attempt: 0 },
      image: { image: this.image },
      command: ['/bin/sleep', '100000'],
      logPath: `${name}.log`,
    };
    const container = await call<CreateContainerResponse>(done =>
      c.createContainer({ podSandboxId, config, sandboxConfig }, new Metadata(), deadline(), done),
    );
    await call(done => c.startContainer({ containerId: container.containerId }, new Metadata(), deadline(), done));
    return podSandboxId;
  }

  private async remove(podSandboxId: string): Promise<void> {
    const c = this.client;
    await call(done => c.stopPodSandbox({ podSandboxId }, new Metadata(), deadline(), done));
    await call(done => c.removePodSandbox({ podSandboxId }, new Metadata(), deadline(), done));
  }
}

const deadline = () => ({ deadline: Date.now() + DEADLINE_MS });

function call<T>(make: (done: (error: ServiceError | null, reply: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    make((error, reply) => (error === null ? resolve(reply) : reject(error)));
  });
}
