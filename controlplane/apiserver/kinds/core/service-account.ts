/** ServiceAccounts. Source: Kubernetes `pkg/registry/core/serviceaccount`, 1.36. */
import type { ServiceAccount } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';

export const serviceAccountStrategy: Strategy<ServiceAccount> = {
  info: kindInfo('', 'ServiceAccount'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Secrets', 'Number of secrets that belong to the account.', account => account.secrets?.length ?? 0),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
};
