/** Random histories of policies, pods and namespaces: few names, so that they meet. */
import * as fc from 'fast-check';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { LabelSelector } from '../../../proto/api/meta-v1.ts';
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../../proto/api/networking-v1.ts';

export type Step =
  | { readonly kind: 'policy'; readonly policy: NetworkPolicy }
  | { readonly kind: 'policyGone'; readonly key: string }
  | { readonly kind: 'pod'; readonly pod: Pod }
  | { readonly kind: 'podGone'; readonly key: string }
  | { readonly kind: 'namespace'; readonly name: string; readonly labels: Record<string, string> | undefined };

const NAMESPACES = ['one', 'two'] as const;
const POD_NAMES = ['a', 'b', 'c'] as const;

const labels = fc.record({ app: fc.constantFrom('x', 'y') }, { requiredKeys: [] });

const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.constant({}),
  fc.constantFrom('x', 'y').map(app => ({ matchLabels: { app } })),
  fc.constantFrom('In', 'NotIn').map(operator => ({ matchExpressions: [{ key: 'app', operator, values: ['x'] }] })),
  fc.constantFrom('Exists', 'DoesNotExist').map(operator => ({ matchExpressions: [{ key: 'app', operator }] })),
);

const block: fc.Arbitrary<IPBlock> = fc.constantFrom(
  { cidr: '0.0.0.0/0' },
  { cidr: '10.244.0.0/16', except: ['10.244.0.0/30'] },
  { cidr: '0.0.0.0/0', except: ['10.244.0.5/32', '192.0.2.0/24'] },
  { cidr: '192.0.2.7/32' },
  { cidr: '::/0' },
  { cidr: 'fd00::/64', except: ['fd00::4/126'] },
);

const peer: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  selector.map(podSelector => ({ podSelector })),
  selector.map(namespaceSelector => ({ namespaceSelector })),
  fc.record({ podSelector: selector, namespaceSelector: selector }),
  block.map(ipBlock => ({ ipBlock })),
);

const protocol = fc.constantFrom('TCP', 'UDP');

const port: fc.Arbitrary<NetworkPolicyPort> = fc.oneof(
  fc.record({ protocol }),
  fc.record({ protocol, port: fc.constantFrom(80, 8080) }),
  fc.record({ protocol, port: fc.constantFrom(79, 81), endPort: fc.constantFrom(81, 9000) }),
  fc.record({ protocol, port: fc.constantFrom('web', 'other') }),
);

const peers = fc.option(fc.array(peer, { maxLength: 2 }), { nil: undefined });
const ports = fc.option(fc.array(port, { maxLength: 2 }), { nil: undefined });

const policyNames = NAMESPACES.flatMap(namespace => ['p', 'q'].map(name => ({ namespace, name: `${namespace}-${name}` })));

const policy: fc.Arbitrary<NetworkPolicy> = fc.record({
  metadata: fc.constantFrom(...policyNames),
  spec: fc.record(
    {
      podSelector: selector,
      ingress: fc.array(fc.record({ from: peers, ports }), { maxLength: 2 }),
      egress: fc.array(fc.record({ to: peers, ports }), { maxLength: 2 }),
      policyTypes: fc.constantFrom(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
    },
    { requiredKeys: ['podSelector'] },
  ),
});

const pod: fc.Arbitrary<Pod> = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    name: fc.constantFrom(...POD_NAMES),
    uid: fc.constantFrom('1', '2'),
    labels,
    web: fc.constantFrom(80, 8080),
    state: fc.constantFrom('up', 'up', 'up', 'up', 'pending', 'done', 'host'),
    /** Addresses move: a pod of another uid has others. */
  })
  .map(({ namespace, name, uid, labels: podLabels, web, state }) => {
    const number = NAMESPACES.indexOf(namespace) * 6 + POD_NAMES.indexOf(name) * 2 + Number(uid);
    const ports = [
      { name: 'web', containerPort: web },
      { name: 'other', containerPort: 80, protocol: 'UDP' as const },
    ];
    return {
      metadata: { namespace, name, uid, labels: podLabels as Record<string, string> },
      spec: { containers: [{ name: 'c', ports }], ...(state === 'host' ? { hostNetwork: true } : {}) },
      status: {
        phase: state === 'done' ? 'Succeeded' : 'Running',
        podIPs: state === 'pending' ? [] : [{ ip: `10.244.0.${number}` }, { ip: `fd00::${number.toString(16)}` }],
      },
    };
  });

const keys = NAMESPACES.flatMap(namespace => POD_NAMES.map(name => `${namespace}/${name}`));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: policy.map(value => ({ kind: 'policy' as const, policy: value })) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...policyNames)
      .map(({ namespace, name }) => ({ kind: 'policyGone' as const, key: `${namespace}/${name}` })),
  },
  { weight: 6, arbitrary: pod.map(value => ({ kind: 'pod' as const, pod: value })) },
  { weight: 1, arbitrary: fc.constantFrom(...keys).map(key => ({ kind: 'podGone' as const, key })) },
  {
    weight: 2,
    arbitrary: fc
      .record({ name: fc.constantFrom(...NAMESPACES), labels: fc.option(labels, { nil: undefined }) })
      .map(({ name, labels: own }) => ({ kind: 'namespace' as const, name, labels: own as Record<string, string> | undefined })),
  },
);

/** Batches of steps: what comes between two writes. */
export const arbitraryHistory: fc.Arbitrary<Step[][]> = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 7,
});

/** Policies of namespace `one`, each with a name of its own. */
export const arbitraryPolicies: fc.Arbitrary<NetworkPolicy[]> = fc
  .array(policy, { minLength: 1, maxLength: 4 })
  .map(list => list.map(({ spec }, i) => ({ metadata: { namespace: 'one', name: `p${i}` }, spec })));
