/** What a manager remembers does not go with its settings or the machine: only a person can say what is to become of the pods. */
import { errorText } from '../../../machinery/meta/error-text.ts';
import { UnusableSettingsError } from '../config/plan/unusable-settings-error.ts';

export class StateConflictError extends UnusableSettingsError {
  override readonly name = 'StateConflictError';

  /** @param path of the state file @param what `CPU`, `memory` */
  constructor(path: string, what: string, conflict: string, options?: ErrorOptions) {
    const next = `Please drain this node (start it with the settings of before, if they changed), then stop k8ts, remove the file and start again: rm ${path}`;
    super(`The ${what} manager's state in ${path} cannot be used: ${conflict}. ${next}`, options);
  }

  /** @throws StateConflictError if the file cannot be read */
  static reading<T>(path: string, what: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      const why = errorText(error);
      throw new StateConflictError(path, what, why, { cause: error });
    }
  }

  /** @throws StateConflictError if it was written under another policy */
  static checkPolicy(path: string, what: string, configured: string, written: string): void {
    if (configured === written) return;
    const conflict = `configured policy "${configured}" differs from state checkpoint policy "${written}"`;
    throw new StateConflictError(path, what, conflict);
  }
}
