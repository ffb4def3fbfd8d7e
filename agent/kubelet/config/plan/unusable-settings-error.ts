/**
 * The settings do not go with this machine, or with what is remembered from before: no retry helps, only a person who changes one of them.
 * The message says what, and what to do.
 */
export class UnusableSettingsError extends Error {
  override readonly name: string = 'UnusableSettingsError';
}
