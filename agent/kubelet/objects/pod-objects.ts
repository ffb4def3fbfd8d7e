/**
 * How the kubelet reads objects that pods refer to (ConfigMaps, Secrets): by name, because the
 * node authorizer allows nothing else.
 */
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';

export interface PodObjects {
  /**
   * The newest known: from a watch if one is held for it, else a GET.
   * @returns undefined if there is none
   * @throws StatusError for every other failure
   */
  get<T extends AnyObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    signal?: AbortSignal,
  ): Promise<T | undefined>;

  /**
   * Watches one object until the returned function is called. Watches of the same object are shared.
   * @param onChange gets the first state too; undefined: there is none. Must not throw, must not block.
   */
  watch<T extends AnyObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    onChange: (object: T | undefined) => void,
  ): () => void;
}
