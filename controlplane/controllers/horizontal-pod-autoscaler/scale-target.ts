/** The `scale` of whatever an autoscaler refers to. */
import type { Scale } from '../../../proto/api/autoscaling-v1.ts';
import type { CrossVersionObjectReference } from '../../../proto/api/autoscaling-v2.ts';
import type { Client } from '../../../machinery/client/client.ts';
import { splitApiVersion } from '../../../machinery/meta/object.ts';
import { isConflict } from '../../../machinery/meta/status-error-from.ts';
import { scalePath } from '../runtime/scale-path.ts';

export class ScaleTarget {
  private readonly client: Client;
  private readonly path: string;

  /** @throws Error when no such kind is known */
  constructor(client: Client, namespace: string, reference: CrossVersionObjectReference) {
    const { kind, name, apiVersion = 'v1' } = reference;
    const path = scalePath(apiVersion, kind, namespace, name);
    if (path === undefined) {
      const { group } = splitApiVersion(apiVersion);
      throw new Error(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`);
    }
    this.client = client;
    this.path = path;
  }

  /** @throws StatusError NotFound */
  async get(signal: AbortSignal): Promise<Scale> {
    return (await this.client.raw('GET', this.path, undefined, signal)) as Scale;
  }

  /** @param scale as it was read @throws StatusError Conflict when somebody else has resized it since */
  async resize(scale: Scale, replicas: number, signal: AbortSignal): Promise<void> {
    for (let seen = scale; ;) {
      try {
        await this.client.raw('PUT', this.path, { ...seen, spec: { ...seen.spec, replicas } }, signal);
        return;
      } catch (error) {
        if (!isConflict(error)) throw error;
        // Nearly always a write of the target's status: what was decided holds as long as its size does.
        const now = await this.get(signal);
        if (now.spec.replicas !== scale.spec.replicas || now.metadata.uid !== scale.metadata.uid) throw error;
        seen = now;
      }
    }
  }
}
