/** Namespaces. Source: Kubernetes `pkg/registry/core/namespace` and `pkg/apis/core/validation`, 1.36. */
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, qualifiedName } from '../../../../machinery/meta/names.ts';
import type { Namespace } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkShape } from '../../../../machinery/validation/checks.ts';
import { checkStandardFinalizer } from '../validation/finalizers.ts';
import { keepSpec } from '../validation/spec-kept.ts';

const FINALIZERS = FieldPath.of('spec', 'finalizers');
const NAME_LABEL = 'kubernetes.io/metadata.name';

export const namespaceStrategy: Strategy<Namespace> = {
  info: kindInfo('', 'Namespace'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Status', 'Whether the namespace takes new objects.', ns => ns.status?.phase ?? ''),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  validateName: dns1123Label,
  selectableFields: ns => ({ 'status.phase': ns.status?.phase ?? '' }),
  default(ns) {
    const { name } = ns.metadata;
    if (name !== undefined && name !== '' && ns.metadata.labels?.[NAME_LABEL] !== name) {
      ns.metadata.labels = { ...ns.metadata.labels, [NAME_LABEL]: name };
    }
    ns.spec ??= {};
  },
  prepareForCreate(ns) {
    ns.status = { phase: 'Active' };
    const finalizers = ns.spec.finalizers ?? [];
    if (!finalizers.includes('kubernetes')) ns.spec.finalizers = [...finalizers, 'kubernetes'];
    const { metadata } = ns;
    if (metadata.name !== undefined) metadata.labels = { ...metadata.labels, [NAME_LABEL]: metadata.name };
  },
  prepareForUpdate(ns, older) {
    // Only `finalize` changes spec.finalizers.
    ns.spec = older.spec;
    if (older.status === undefined) delete ns.status;
    else ns.status = older.status;
  },
  validate(ns) {
    const errors: FieldError[] = [];
    for (const finalizer of ns.spec.finalizers ?? []) checkFinalizer(errors, FINALIZERS, finalizer);
    return errors;
  },
  status: {
    prepareForUpdate: keepSpec,
    validateUpdate({ metadata, status }) {
      const going = metadata.deletionTimestamp !== undefined;
      const phase = status?.phase ?? '';
      if (phase === (going ? 'Terminating' : 'Active')) return [];
      const why = going
        ? "may only be 'Terminating' if `deletionTimestamp` is not empty"
        : "may only be 'Active' if `deletionTimestamp` is empty";
      return [invalidError(FieldPath.of('status', 'Phase'), phase, why)];
    },
  },
  subresources: {
    finalize: {
      prepareForUpdate(ns, older) {
        if (older.status === undefined) delete ns.status;
        else ns.status = older.status;
      },
      validateUpdate(ns) {
        const errors: FieldError[] = [];
        for (const [i, finalizer] of (ns.spec.finalizers ?? []).entries())
          checkFinalizer(errors, FINALIZERS.index(i), finalizer);
        return errors;
      },
    },
  },
};

function checkFinalizer(errors: FieldError[], path: FieldPath, finalizer: string): void {
  checkShape(errors, path, finalizer, qualifiedName);
  checkStandardFinalizer(errors, path, finalizer);
}
