/** A userspace back end on a lab's node, as if it were here. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ProxyBackend, ServiceUpdate } from '../backend.ts';
import type { NodeModel } from '../plan/model.ts';
import type { Lab } from './lab.ts';
import type { PlaceReply, PlaceRequest } from './userspace-place.ts';

const PROGRAM = fileURLToPath(new URL('./userspace-place.ts', import.meta.url));

export class RemoteUserspace implements ProxyBackend {
  readonly name = 'userspace';
  refused: ReadonlyMap<string, string> = new Map();
  private readonly node: () => NodeModel;
  private readonly serviceCIDR: string;
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, (reply: PlaceReply) => void>();
  private id = 0;

  constructor(lab: Lab, node: () => NodeModel, serviceCIDR: string) {
    this.node = node;
    this.serviceCIDR = serviceCIDR;
    const [program = '', ...args] = [...lab.in('node'), process.execPath, '--import', 'tsx', PROGRAM];
    this.child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.child.on('message', (reply: PlaceReply) => {
      this.refused = new Map(reply.refused);
      this.waiting.get(reply.id)?.(reply);
      this.waiting.delete(reply.id);
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async replaceAll(updates: Iterable<ServiceUpdate>): Promise<void> {
    await this.call('replaceAll', [...updates]);
  }

  async update(updates: readonly ServiceUpdate[]): Promise<void> {
    await this.call('update', updates);
  }

  async hasDrifted(): Promise<boolean> {
    return (await this.call('hasDrifted')) as boolean;
  }

  async cleanup(): Promise<boolean> {
    return (await this.call('cleanup')) as boolean;
  }

  /** Bytes of memory. */
  async resident(): Promise<number> {
    return ((await this.call('usage')) as { resident: number }).resident;
  }

  /** Its process ends. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  private call(call: PlaceRequest['call'], updates: readonly ServiceUpdate[] = []): Promise<unknown> {
    const { localServiceIPs: _, ...node } = this.node();
    const request: PlaceRequest = { id: ++this.id, call, updates, node, serviceCIDR: this.serviceCIDR };
    return new Promise((resolve, reject) => {
      this.waiting.set(request.id, reply =>
        reply.error === undefined ? resolve(reply.result) : reject(new Error(reply.error)),
      );
      this.child.send(request);
    });
  }
}
