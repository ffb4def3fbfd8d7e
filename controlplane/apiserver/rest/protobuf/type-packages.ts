/**
 * Where the schema table keeps the type of an object that says apiVersion and kind.
 */
import { hasLayout, META } from './layout.ts';

/** `apps/v1`, `Deployment`: `api/apps/v1`. Undefined for what is not built in. */
export function typePackageOf(apiVersion: string, kind: string): string | undefined {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const [first = ''] = group.split('.', 1);
  const own = `api/${first || 'core'}/${version}`;
  // Where components that are not part of the API server keep theirs (metrics).
  const apart = `${first}/pkg/apis/${first}/${version}`;
  // Status, DeleteOptions and discovery's kinds belong to every group.
  return [own, apart, META].find(packageKey => hasLayout(packageKey, kind));
}
