/** PriorityLevelConfigurations. Source: Kubernetes `pkg/apis/flowcontrol` (validation, v1 defaults) and `pkg/printers`, 1.36. */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { rangeProblem } from '../../../../machinery/meta/names.ts';
import type {
  LimitedPriorityLevelConfiguration,
  LimitResponse,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
} from '../../../../proto/api/flowcontrol-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { conditionErrors } from './condition-errors.ts';
import { mandatoryPriorityLevels } from './suggested-priority-levels.ts';

const SPEC = FieldPath.of('spec');
const EXEMPT = 'exempt';
const MAX_QUEUES = 10_000_000;
/** Bits of the hash that deals a flow its hand of queues. */
const MAX_HASH_BITS = 60;

export const priorityLevelConfigurationStrategy: Strategy<PriorityLevelConfiguration> = {
  info: kindInfo('flowcontrol.apiserver.k8s.io', 'PriorityLevelConfiguration'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Type', 'Whether there is a limit.', p => p.spec.type ?? ''),
    column(
      'NominalConcurrencyShares',
      'Share of the seats.',
      p => p.spec.limited?.nominalConcurrencyShares ?? '<none>',
    ),
    column('Queues', 'Number of queues.', p => queuing(p)?.queues ?? '<none>'),
    column('HandSize', 'Queues that a flow may use.', p => queuing(p)?.handSize ?? '<none>'),
    column('QueueLengthLimit', 'Requests that a queue holds.', p => queuing(p)?.queueLengthLimit ?? '<none>'),
    ageColumn,
  ],
  allowUnconditionalUpdate: false,
  default({ spec: { limited, exempt } }) {
    if (exempt !== undefined) {
      exempt.nominalConcurrencyShares ??= 0;
      exempt.lendablePercent ??= 0;
    }
    if (limited === undefined) return;
    limited.nominalConcurrencyShares ??= 30;
    limited.lendablePercent ??= 0;
    const queues = limited.limitResponse?.queuing;
    if (queues === undefined) return;
    queues.handSize ||= 8;
    queues.queues ||= 64;
    queues.queueLengthLimit ||= 50;
  },
  prepareForCreate(level) {
    level.status = {};
  },
  prepareForUpdate(level, older) {
    if (older.status === undefined) delete level.status;
    else level.status = older.status;
  },
  validate({ metadata: { name = '' }, spec }) {
    const errors: FieldError[] = [];
    checkSpec(errors, name, spec);
    const fixed = mandatoryPriorityLevels.find(level => level.metadata.name === name);
    if (fixed === undefined) return errors;
    const exceptExempt = ({ exempt: _, ...rest }: PriorityLevelConfigurationSpec): object => rest;
    const same =
      name === EXEMPT ? jsonEquals(exceptExempt(spec), exceptExempt(fixed.spec)) : jsonEquals(spec, fixed.spec);
    const what = name === EXEMPT ? `'${name}' except the 'spec.exempt' field` : `'${name}'`;
    if (!same) errors.push(invalidError(SPEC, spec, `spec of ${what} must equal the fixed value`));
    return errors;
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: ({ status }) => conditionErrors(status?.conditions) },
};

function queuing({ spec }: PriorityLevelConfiguration): QueuingConfiguration | undefined {
  return spec.limited?.limitResponse?.queuing;
}

function checkSpec(errors: FieldError[], name: string, spec: PriorityLevelConfigurationSpec): void {
  const { type = '', limited, exempt } = spec;
  if ((name === EXEMPT) !== (type === 'Exempt'))
    errors.push(invalidError(SPEC.child('type'), type, "type must be 'Exempt' if and only if name is 'exempt'"));
  if (type === 'Exempt') {
    if (limited !== undefined)
      errors.push(forbiddenError(SPEC.child('limited'), 'must be nil if the type is not Limited'));
    if (exempt !== undefined) checkShares(errors, SPEC.child('exempt'), exempt);
  } else if (type === 'Limited') {
    if (exempt !== undefined) errors.push(forbiddenError(SPEC.child('exempt'), 'must be nil if the type is Limited'));
    if (limited === undefined)
      errors.push(requiredError(SPEC.child('limited'), 'must not be empty when type is Limited'));
    else checkLimited(errors, SPEC.child('limited'), limited);
  } else errors.push(notSupportedError(SPEC.child('type'), type, ['Exempt', 'Limited']));
}

function checkShares(
  errors: FieldError[],
  path: FieldPath,
  object: { readonly nominalConcurrencyShares?: number | undefined; readonly lendablePercent?: number | undefined },
): void {
  const { nominalConcurrencyShares: shares = 0, lendablePercent: percent = 0 } = object;
  if (shares < 0)
    errors.push(invalidError(path.child('nominalConcurrencyShares'), shares, 'must be a non-negative integer'));
  if (percent < 0 || percent > 100)
    errors.push(invalidError(path.child('lendablePercent'), percent, rangeProblem(0, 100)));
}

function checkLimited(errors: FieldError[], path: FieldPath, limited: LimitedPriorityLevelConfiguration): void {
  checkShares(errors, path, limited);
  const borrowed = limited.borrowingLimitPercent;
  if (borrowed !== undefined && borrowed < 0) {
    const why = 'if specified, must be a non-negative integer';
    errors.push(invalidError(path.child('borrowingLimitPercent'), borrowed, why));
  }
  checkLimitResponse(errors, path.child('limitResponse'), limited.limitResponse);
}

function checkLimitResponse(errors: FieldError[], path: FieldPath, response: LimitResponse | undefined): void {
  const at = path.child('queuing');
  switch (response?.type) {
    case 'Reject':
      if (response.queuing !== undefined)
        errors.push(forbiddenError(at, 'must be nil if limited.limitResponse.type is not Limited'));
      return;
    case 'Queue':
      if (response.queuing === undefined)
        errors.push(requiredError(at, 'must not be empty if limited.limitResponse.type is Limited'));
      else checkQueuing(errors, at, response.queuing);
      return;
    default:
      errors.push(notSupportedError(path.child('type'), response?.type ?? '', ['Queue', 'Reject']));
  }
}

function checkQueuing(errors: FieldError[], path: FieldPath, queuing: QueuingConfiguration): void {
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
  const say = (field: string, value: number, why: string): void => {
    errors.push(invalidError(path.child(field), value, why));
  };
  if (queueLengthLimit <= 0) say('queueLengthLimit', queueLengthLimit, 'must be positive');
  if (queues <= 0) say('queues', queues, 'must be positive');
  else if (queues > MAX_QUEUES) say('queues', queues, `must not be greater than ${MAX_QUEUES}`);
  const bits = Math.ceil(Math.log2(queues) * handSize);
  if (handSize <= 0) say('handSize', handSize, 'must be positive');
  else if (handSize > queues) say('handSize', handSize, `should not be greater than queues (${queues})`);
  else if (bits > MAX_HASH_BITS) {
    const why = `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${MAX_HASH_BITS}`;
    say('handSize', handSize, why);
  }
}
