/**
 * Objects as this controller wrote them last, as long as the informer shows older ones: who decides on what it has changed already decides twice.
 */
import type { Informer } from '../../../machinery/client/informer.ts';
import type { AnyObject } from '../../../machinery/client/resource.ts';

export class NewestWritten<T extends AnyObject> {
  private readonly informer: Informer<T>;
  private readonly byUid = new Map<string, T>();

  constructor(informer: Informer<T>) {
    this.informer = informer;
    informer.addHandler({
      onUpdate: (_older, object) => void this.of(object),
      onDelete: ({ metadata }) => this.byUid.delete(metadata.uid ?? ''),
    });
  }

  /**
   * The object as it is known best.
   *
   * @param listed as the informer showed it some time ago: what was written may have been shown and forgotten since
   */
  of(listed: T): T {
    const { namespace, name = '', uid = '' } = listed.metadata;
    const current = this.informer.lister.get(namespace, name);
    const shown = current?.metadata.uid === uid && versionOf(current) > versionOf(listed) ? current : listed;
    const written = this.byUid.get(uid);
    if (written === undefined) return shown;
    if (versionOf(written) > versionOf(shown)) return written;
    this.byUid.delete(uid);
    return shown;
  }

  wrote(object: T): void {
    const { namespace, name = '', uid = '' } = object.metadata;
    const listed = this.informer.lister.get(namespace, name);
    // The informer may have been faster, or the object is gone.
    if (listed?.metadata.uid === uid && versionOf(listed) < versionOf(object)) this.byUid.set(uid, object);
  }
}

/** Revisions of one store only grow. */
function versionOf({ metadata }: AnyObject): number {
  return Number(metadata.resourceVersion ?? 0);
}
