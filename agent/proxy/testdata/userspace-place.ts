/** A userspace back end in a process of its own, so that it can stand in a lab's node; told by messages of the process that started it. */
import { Links } from '../../host/links.ts';
import { run } from '../../host/exec.ts';
import type { ServiceUpdate } from '../backend.ts';
import type { NodeModel } from '../plan/model.ts';
import { UserspaceBackend } from '../userspace/userspace-backend.ts';

export interface PlaceRequest {
  readonly id: number;
  readonly call: 'replaceAll' | 'update' | 'hasDrifted' | 'cleanup' | 'usage';
  readonly updates: readonly ServiceUpdate[];
  /** Sets of it are lists. */
  readonly node: Omit<NodeModel, 'localServiceIPs'>;
  readonly serviceCIDR: string;
}

export interface PlaceReply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly refused: readonly (readonly [string, string])[];
}

let node: NodeModel;
let backend: UserspaceBackend | undefined;

async function answer({ call, updates, serviceCIDR }: PlaceRequest): Promise<unknown> {
  backend ??= new UserspaceBackend({
    family: node.family,
    node: () => node,
    serviceCIDR,
    links: new Links(),
    sysctls: { set: (key, value) => run(['sysctl', '-qw', `${key}=${value}`]).then(() => 'set') },
  });
  switch (call) {
    case 'replaceAll':
    case 'update':
      return backend[call](updates);
    case 'usage':
      return { resident: process.memoryUsage().rss };
    default:
      return backend[call]();
  }
}

process.on('message', (request: PlaceRequest) => {
  node = { ...request.node, localServiceIPs: new Set() };
  const reply = (more: Partial<PlaceReply>): void =>
    void process.send?.({ id: request.id, refused: [...(backend?.refused ?? [])], ...more });
  answer(request).then(
    result => reply({ result }),
    (error: unknown) => reply({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
