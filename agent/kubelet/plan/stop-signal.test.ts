import { expect, test } from '@jest/globals';
import { Signal } from '../../../proto/cri/runtime.gen.ts';
import { criSignal, signalName, signalToSend } from './stop-signal.ts';

test.each([
  ['SIGUSR1', Signal.SIGUSR1, 'SIGUSR1'],
  ['SIGTERM', Signal.SIGTERM, 'SIGTERM'],
  ['SIGCLD', Signal.SIGCLD, 'SIGCHLD'],
  ['SIGRTMIN', Signal.SIGRTMIN, 34],
  ['SIGRTMIN+3', Signal.SIGRTMINPLUS3, 37],
  ['SIGRTMAX-14', Signal.SIGRTMAXMINUS14, 50],
  ['SIGRTMAX', Signal.SIGRTMAX, 64],
])('%s for CRI and for the kernel', (name, cri, kernel) => {
  expect(criSignal(name)).toBe(cri);
  expect(signalName(cri)).toBe(name);
  expect(signalToSend(name)).toBe(kernel);
});

test('none is the choice of the runtime', () => {
  expect(criSignal(undefined)).toBe(Signal.RUNTIME_DEFAULT);
  expect(signalName(Signal.RUNTIME_DEFAULT)).toBeUndefined();
});
