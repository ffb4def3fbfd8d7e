/**
 * Stops waiting for `act` when the signal aborts, without cancelling it: for calls that the runtime must not be left half-way in.
 * @throws what the act throws, or the signal's reason; the act's own late failure is then nobody's business
 */
export function abandonOnAbort<T>(act: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    act.catch(() => undefined);
    return Promise.reject(signal.reason as Error);
  }
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    act.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
