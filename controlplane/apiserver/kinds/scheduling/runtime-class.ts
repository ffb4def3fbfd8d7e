/** RuntimeClasses. Source: Kubernetes `pkg/apis/node`, 1.36. */
import { type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label } from '../../../../machinery/meta/names.ts';
import { validateLabels } from '../../../../machinery/meta/object-meta-validation.ts';
import type { RuntimeClass } from '../../../../proto/api/node-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkTolerations } from '../../../../machinery/pods/validate-scheduling.ts';
import { checkImmutable, checkShape } from '../../../../machinery/validation/checks.ts';
import { checkContainerResourceName, checkResourceAmount } from '../../../../machinery/validation/resource-list.ts';

export const runtimeClassStrategy: Strategy<RuntimeClass> = {
  info: kindInfo('node.k8s.io', 'RuntimeClass'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Handler', 'Name of the runtime in the container runtime.', rc => rc.handler ?? ''),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  validate(rc) {
    const errors: FieldError[] = [];
    checkShape(errors, FieldPath.of('handler'), rc.handler ?? '', dns1123Label);
    for (const [name, text] of Object.entries(rc.overhead?.podFixed ?? {})) {
      // Upstream's path: the overhead is checked as a container's limits are.
      const at = FieldPath.of('overhead', 'limits').key(name);
      checkContainerResourceName(errors, at, name);
      checkResourceAmount(errors, at, name, text);
    }
    errors.push(...validateLabels(rc.scheduling?.nodeSelector, FieldPath.of('scheduling', 'nodeSelector')));
    checkTolerations(errors, FieldPath.of('scheduling', 'tolerations'), rc.scheduling?.tolerations);
    return errors;
  },
  validateUpdate(rc, older) {
    const errors: FieldError[] = [];
    checkImmutable(errors, FieldPath.of('handler'), rc.handler, older.handler);
    return errors;
  },
};
