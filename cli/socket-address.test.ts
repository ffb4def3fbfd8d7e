import { expect, test } from '@jest/globals';
import { socketOf, socketProblem } from './socket-address.ts';

test.each([
  ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
  ['[fd00::1]:80', { host: 'fd00::1', port: 80 }],
  ['fd00::1:80', undefined],
  ['[127.0.0.1]:80', undefined],
  ['127.0.0.1:0', undefined],
  ['127.0.0.1:65536', undefined],
  ['none', undefined],
])('socketOf(%s)', (text, want) => {
  expect(socketOf(text)).toEqual(want);
});

test('socketProblem() takes none for an answer', () => {
  expect(['none', '[::]:10256'].map(socketProblem)).toEqual([undefined, undefined]);
  expect(socketProblem('localhost:1')).toContain('no address with port');
});
