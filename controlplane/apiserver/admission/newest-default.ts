/** Of several classes that say that they are the default, the one that was made last counts, among equals the first by name. */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { ResourceStorage } from '../storage/storage.ts';

export async function newestDefault<T extends AnyObject>(
  classes: ResourceStorage<T>,
  isDefault: (object: T) => boolean,
): Promise<string | undefined> {
  const { items } = await classes.list({ resourceVersion: '0', predicate: isDefault });
  const [newest] = items
    .map(({ object: { metadata } }) => ({
      name: metadata.name ?? '',
      made: Date.parse(metadata.creationTimestamp ?? '') || 0,
    }))
    .sort((a, b) => b.made - a.made || (a.name < b.name ? -1 : 1));
  return newest?.name;
}
