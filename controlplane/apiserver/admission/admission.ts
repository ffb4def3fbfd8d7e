/**
 * Admission: the last word on a write after authorization. Each plugin may change the object (admit) and then, once no plugin changes it any
 * more, refuse it (validate).
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { ServedResource, WriteContext } from '../registry/served-resource.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** One write as admission sees it. */
export interface AdmissionRequest {
  readonly operation: Operation;
  readonly resource: ServedResource;
  /** '' for the object itself. */
  readonly subresource: string;
  readonly namespace: string;
  /** '' while it is still to be generated. */
  readonly name: string;
  /** The new state in its stored form; changed in place by `admit`. Undefined for DELETE. */
  readonly object: AnyObject | undefined;
  /** The current state: read-only. Undefined for CREATE. */
  readonly older: AnyObject | undefined;
  readonly context: WriteContext;
}

/** Both phases throw StatusError (mostly Forbidden) to refuse. */
export interface AdmissionPlugin {
  readonly name: string;
  /** Asked first, so that a plugin costs nothing where it has nothing to say. */
  handles(operation: Operation, resource: ServedResource, subresource: string): boolean;
  admit?(request: AdmissionRequest): void | Promise<void>;
  validate?(request: AdmissionRequest): void | Promise<void>;
}

export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #byTarget = new Map<string, readonly AdmissionPlugin[]>();

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  async admit(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#for(request)) await plugin.admit?.(request);
  }

  async validate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#for(request)) await plugin.validate?.(request);
  }

  #for({ operation, resource, subresource }: AdmissionRequest): readonly AdmissionPlugin[] {
    const { group, resource: plural } = resource.storedInfo;
    const target = `${operation} ${plural}.${group}/${subresource}`;
    let plugins = this.#byTarget.get(target);
    if (plugins === undefined) {
      plugins = this.#plugins.filter(plugin => plugin.handles(operation, resource, subresource));
      this.#byTarget.set(target, plugins);
    }
    return plugins;
  }
}
