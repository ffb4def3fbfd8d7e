/**
 * Where the schema table keeps the type of an object that says apiVersion and kind.
 */
import { hasLayout, META } from './layout.ts';

/** `apps/v1`, `Deployment`: `api/apps/v1`. Undefined for what is not built in. */
export function typePackageOf(apiVersion: string, kind: string): string | undefined {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const own = `api/${group.split('.', 1)[0] || 'core'}/${version}`;
  // Status, DeleteOptions and discovery's kinds belong to every group.
  return [own, META].find(packageKey => hasLayout(packageKey, kind));
}
