/** Binds a pod by a POST to its `binding` subresource. Source: upstream plugin DefaultBinder. */
import { pods } from '../../../machinery/client/resource.ts';
import type { Plugin } from '../framework/framework.ts';
import type { Handle } from '../framework/handle.ts';

export function defaultBinder({ client }: Pick<Handle, 'client'>): Plugin {
  return {
    name: 'DefaultBinder',
    async bind(_state, { metadata: { namespace, name = '', uid } }, nodeName, signal) {
      const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
      const body = { apiVersion: 'v1', kind: 'Binding', metadata: { namespace, name, uid }, target };
      await client.of(pods).createSubresource({ namespace, name }, 'binding', body, signal);
      return 'bound';
    },
  };
}
