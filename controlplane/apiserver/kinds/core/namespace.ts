/** Namespaces. Source: Kubernetes `pkg/registry/core/namespace` and `pkg/apis/core/validation`, 1.36. */
import type { FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, qualifiedName } from '../../../../machinery/meta/names.ts';
import type { Namespace } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkShape } from '../validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';

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
    for (const finalizer of ns.spec.finalizers ?? []) {
      checkShape(errors, FieldPath.of('spec', 'finalizers'), finalizer, qualifiedName);
    }
    return errors;
  },
  status: { prepareForUpdate: keepSpec },
  subresources: {
    finalize: {
      prepareForUpdate(ns, older) {
        if (older.status === undefined) delete ns.status;
        else ns.status = older.status;
      },
    },
  },
};
