/**
 * A part of a process that runs until told to stop. Composition roots (cli/) construct components and run them in order.
 */
export interface Component {
  /** Names the part in logs, metrics and health checks: `apiserver`, `kubelet`. */
  readonly name: string;
  /**
   * Runs until `signal` aborts and resolves once everything it holds is let go.
   * @throws what makes going on impossible (port taken, no permission); the process then stops with that message
   */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves once the part can serve those started after it; rejects if it never will. */
  ready(): Promise<void>;
}
