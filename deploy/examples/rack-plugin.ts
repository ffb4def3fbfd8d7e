/**
 * An example of a scheduler plugin of one's own: pods of one team stay on few racks, and none gets on a rack that is being serviced.
 *
 * Racks are what nodes' label `example.com/rack` says. The plugin has two arguments: `inService`, names of racks that get no more pods, and
 * `label`, whose value tells a pod's team.
 *
 * Make JavaScript of it, and name it in the scheduler's configuration:
 *
 *     npx esbuild rack-plugin.ts --bundle --platform=node --format=esm --outfile=/etc/k8ts/rack-plugin.mjs
 *     k8ts up --scheduler-plugins /etc/k8ts/rack-plugin.mjs --scheduler-config /etc/k8ts/scheduler.yaml
 */
import type { NodeInfo, Plugin, PluginFactory, Pod, Rejection } from 'k8ts/scheduler';

const RACK = 'example.com/rack';
const NAME = 'Rack';

interface RackArgs {
  inService: readonly string[];
  label: string;
}

const rackOf = (node: NodeInfo): string => node.node.metadata.labels?.[RACK] ?? '';

export class Rack implements Plugin {
  readonly name = NAME;
  private readonly args: RackArgs;
  private readonly refused: readonly Rejection[] = [
    // No other pod's going would help.
    { reason: 'node(s) were on a rack in service', unresolvable: true },
  ];

  constructor(args: RackArgs) {
    this.args = args;
  }

  filter(_state: unknown, _pod: Pod, node: NodeInfo): readonly Rejection[] | undefined {
    return this.args.inService.includes(rackOf(node)) ? this.refused : undefined;
  }

  /** Counts once for the pod how many of its team are on each rack. */
  preScore: NonNullable<Plugin['preScore']> = (state, pod, nodes) => {
    const team = pod.metadata.labels?.[this.args.label];
    if (team === undefined) return 'skip';
    const mates = new Map<string, number>();
    for (const node of nodes)
      for (const other of node.pods.values())
        if (other.metadata.namespace === pod.metadata.namespace && other.metadata.labels?.[this.args.label] === team)
          mates.set(rackOf(node), (mates.get(rackOf(node)) ?? 0) + 1);
    state.write(NAME, mates);
    return undefined;
  };

  score: NonNullable<Plugin['score']> = (state, _pod, node) =>
    state.read<Map<string, number>>(NAME).get(rackOf(node)) ?? 0;

  normalize: NonNullable<Plugin['normalize']> = (_state, _pod, scores) => {
    const most = Math.max(1, ...scores);
    for (const [i, score] of scores.entries()) scores[i] = Math.floor((score * 100) / most);
  };

  /** A pod that was turned down is tried again when a node comes or gets other labels, and for nothing else. */
  eventsToRegister: NonNullable<Plugin['eventsToRegister']> = () => [
    { resource: 'Node', actions: ['Add', 'UpdateNodeLabel'] },
  ];
}

/** Factories by the names that profiles use. What they throw is told when k8ts starts. */
export const plugins: Record<string, PluginFactory> = {
  [NAME]: args => {
    const { inService = [], label = 'team', ...others } = (args ?? {}) as Partial<RackArgs>;
    if (!Array.isArray(inService)) throw new Error('args.inService must be a list of racks');
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw new Error(`args.${unknown}: there is no such argument`);
    return new Rack({ inService: inService as string[], label });
  },
};
