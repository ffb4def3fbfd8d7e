/** IPAddresses: one for each address that a Service has. Source: Kubernetes `pkg/apis/networking` and `pkg/printers`, 1.36. */
import { requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { IPAddress } from '../../../../proto/api/networking-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { pathSegmentName } from '../rbac/path-segment-name.ts';
import { canonicalIp } from '../validation/addresses.ts';
import { checkImmutable, checkOptional, checkRequired } from '../../../../machinery/validation/checks.ts';

const PARENT = FieldPath.of('spec', 'parentRef');

export const ipAddressStrategy: Strategy<IPAddress> = {
  info: kindInfo('networking.k8s.io', 'IPAddress'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('ParentRef', 'Object that uses the address.', ({ spec: { parentRef } }) => {
      if (parentRef === undefined) return '';
      const { resource = '', group = '', namespace = '', name = '' } = parentRef;
      const kind = group === '' ? resource : `${resource}.${group}`;
      return [kind, ...(namespace === '' ? [] : [namespace]), name].join('/');
    }),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  validateName: canonicalIp,
  validate({ spec: { parentRef: parent } }) {
    const errors: FieldError[] = [];
    if (parent === undefined) return [requiredError(PARENT)];
    checkOptional(errors, PARENT.child('group'), parent.group, dns1123Subdomain);
    checkRequired(errors, PARENT.child('resource'), parent.resource, pathSegmentName);
    checkRequired(errors, PARENT.child('name'), parent.name, pathSegmentName);
    checkOptional(errors, PARENT.child('namespace'), parent.namespace, pathSegmentName);
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    const errors: FieldError[] = [];
    checkImmutable(errors, PARENT, spec.parentRef, older.parentRef);
    return errors;
  },
};
