import { expect, test } from '@jest/globals';
import type { Node } from '../../../../proto/api/core-v1.ts';
import type { VolumeAttachment } from '../../../../proto/api/storage-v1.ts';
import { uniqueVolumeName, volumeAttachmentName } from '../../../../machinery/meta/csi-names.ts';
import { multiAttachMessage, planAttachments } from './node-attachments.ts';
import type { WantedVolume } from './wanted-volumes.ts';

const MINUTES = 60_000;
const unique = uniqueVolumeName('d', 'h');
const name = volumeAttachmentName('d', 'h', 'n');

function wanted(accessModes: string[] = ['ReadWriteOnce']): WantedVolume {
  const volume = { metadata: { name: 'pv' }, spec: { accessModes, csi: { driver: 'd', volumeHandle: 'h' } } };
  return { volume, driver: 'd', unique, attachment: name, pods: [] };
}

function attachment(status?: VolumeAttachment['status'], own = name, deletionTimestamp?: string): VolumeAttachment {
  const source = { persistentVolumeName: 'pv' };
  return { metadata: { name: own, deletionTimestamp }, spec: { attacher: 'd', nodeName: 'n', source }, status };
}

interface Shape {
  inUse?: boolean;
  ready?: string;
  outOfService?: boolean;
}
function node({ inUse = false, ready = 'True', outOfService = false }: Shape = {}): Node {
  return {
    metadata: { name: 'n' },
    spec: { taints: outOfService ? [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }] : [] },
    status: { volumesInUse: inUse ? [unique] : [], conditions: [{ type: 'Ready', status: ready }] },
  };
}

const attached = { attached: true };
const there = [{ name: unique, devicePath: '' }];

test.each<{
  what: string;
  wants?: WantedVolume[];
  has?: VolumeAttachment[];
  elsewhere?: VolumeAttachment[];
  on?: Node | undefined;
  sinceMs?: number;
  expected: Record<string, unknown>;
}>([
  { what: 'wanted', wants: [wanted()], expected: { create: 1 } },
  { what: 'wanted, on its way', wants: [wanted()], has: [attachment()], expected: {} },
  { what: 'wanted, there', wants: [wanted()], has: [attachment(attached)], expected: { attached: there } },
  { what: 'wanted, being deleted', wants: [wanted()], has: [attachment(attached, name, 'now')], expected: {} },
  { what: 'wanted, elsewhere', wants: [wanted()], elsewhere: [attachment(attached)], expected: { blocked: 1 } },
  {
    what: 'wanted, elsewhere, for many',
    wants: [wanted(['ReadWriteMany'])],
    elsewhere: [attachment(attached)],
    expected: { create: 1 },
  },
  { what: 'not wanted', has: [attachment(attached)], expected: { remove: 1 } },
  {
    what: 'not wanted, in use',
    has: [attachment(attached)],
    on: node({ inUse: true }),
    sinceMs: -10 * MINUTES,
    expected: { waiting: 1, attached: there },
  },
  {
    what: 'not wanted, in use on a silent node',
    has: [attachment(attached)],
    on: node({ inUse: true, ready: 'Unknown' }),
    sinceMs: -4 * MINUTES,
    expected: { waiting: 1, attached: there, afterMs: 2 * MINUTES },
  },
  {
    what: 'not wanted, in use on a node silent for long',
    has: [attachment(attached)],
    on: node({ inUse: true, ready: 'Unknown' }),
    sinceMs: -6 * MINUTES,
    expected: { remove: 1 },
  },
  {
    what: 'not wanted, in use on a node out of service',
    has: [attachment(attached)],
    on: node({ inUse: true, outOfService: true }),
    expected: { remove: 1 },
  },
  { what: 'not wanted, its node gone', has: [attachment(attached)], on: undefined, expected: { remove: 1 } },
  { what: 'somebody else’s', has: [attachment(attached, 'theirs')], expected: {} },
])('planAttachments() $what', ({ wants = [], has = [], elsewhere = [], sinceMs, expected, ...rest }) => {
  const plan = planAttachments({
    nodeName: 'n',
    node: 'on' in rest ? rest.on : node(),
    wanted: wants,
    attachments: has,
    elsewhere: () => elsewhere,
    unwantedSinceMs: () => sinceMs,
    nowMs: 0,
  });
  const { create, blocked, remove, waiting, ...others } = plan;
  expect({
    create: create.length,
    blocked: blocked.length,
    remove: remove.length,
    waiting: waiting.length,
    ...others,
  }).toEqual({ create: 0, blocked: 0, remove: 0, waiting: 0, attached: [], afterMs: undefined, ...expected });
});

test('multiAttachMessage() has upstream’s words', () => {
  expect(multiAttachMessage('pv', [])).toBe(
    'Multi-Attach error for volume "pv" Volume is already exclusively attached to one node and can\'t be attached to another',
  );
  expect(multiAttachMessage('pv', ['a', 'b'])).toBe(
    'Multi-Attach error for volume "pv" Volume is already used by pod(s) a, b',
  );
});
