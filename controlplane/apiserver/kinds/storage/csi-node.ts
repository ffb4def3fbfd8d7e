/** CSINodes. Source: Kubernetes `pkg/apis/storage` and `pkg/printers`, 1.36. */
import {
  duplicateError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import type { CSINode, CSINodeDriver } from '../../../../proto/api/storage-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkImmutable, checkNonNegative, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkDriverName } from '../validation/csi-driver-name.ts';

const DRIVERS = FieldPath.of('spec', 'drivers');
const MAX_NODE_ID = 256;

export const csiNodeStrategy: Strategy<CSINode> = {
  info: kindInfo('storage.k8s.io', 'CSINode'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Drivers', 'Number of drivers on the node.', n => n.spec.drivers?.length ?? 0, 'integer'),
    ageColumn,
  ],
  allowUnconditionalUpdate: false,
  validate({ spec }) {
    const errors: FieldError[] = [];
    const names = new Set<string>();
    for (const [i, driver] of (spec.drivers ?? []).entries()) {
      const at = DRIVERS.index(i);
      checkDriver(errors, at, driver);
      if (names.has(driver.name)) errors.push(duplicateError(at.child('name'), driver.name));
      names.add(driver.name);
    }
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    const errors: FieldError[] = [];
    const fixed = ({ allocatable: _, ...rest }: CSINodeDriver): object => rest;
    for (const was of older.drivers ?? []) {
      for (const driver of spec.drivers ?? [])
        if (driver.name === was.name) checkImmutable(errors, DRIVERS, fixed(driver), fixed(was));
    }
    return errors;
  },
};

function checkDriver(errors: FieldError[], path: FieldPath, driver: CSINodeDriver): void {
  checkDriverName(errors, path.child('name'), driver.name);
  if (isBlank(driver.nodeID)) errors.push(requiredError(path.child('nodeID')));
  else if (driver.nodeID.length > MAX_NODE_ID) {
    errors.push(invalidError(path.child('nodeID'), driver.nodeID, `must be ${MAX_NODE_ID} characters or less`));
  }
  checkNonNegative(errors, path.child('allocatable', 'count'), driver.allocatable?.count);
  const keys = driver.topologyKeys ?? [];
  for (const [i, key] of keys.entries()) {
    if (key === '') errors.push(requiredError(path));
    if (keys.indexOf(key) < i) errors.push(duplicateError(path, key));
    checkShape(errors, path, key, qualifiedName);
  }
}
