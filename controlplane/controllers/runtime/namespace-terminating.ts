/** Whether a create was refused because the namespace is on its way out: nothing more can or should be made in it. */
import { hasReason } from '../../../machinery/meta/status-error-from.ts';

export function isNamespaceTerminating(error: unknown): boolean {
  return (
    hasReason(error, 'Forbidden') && error.details?.causes?.some(c => c.reason === 'NamespaceTerminating') === true
  );
}
