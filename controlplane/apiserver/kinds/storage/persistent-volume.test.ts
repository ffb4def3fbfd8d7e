import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('PersistentVolume', () => {
  const table = new KindTable('v1/PersistentVolume', {
    metadata: { name: 'x' },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/a' } },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { spec: {} },
      [
        'spec.accessModes: Required value',
        'spec.capacity: Required value',
        'spec.capacity: Unsupported value: {}: supported values: "storage"',
        'spec: Required value: must specify a volume type',
      ],
    ],
    [{ 'spec.capacity': { storage: '0' } }, ['spec.capacity[storage]: Invalid value: "0": must be greater than zero']],
    [{ 'spec.capacity': { cpu: '1' } }, ['spec.capacity: Unsupported value: {"cpu":"1"}: supported values: "storage"']],
    [
      { 'spec.accessModes': ['X'] },
      [
        'spec.accessModes: Unsupported value: "X": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      ],
    ],
    [{ 'spec.accessModes': [] }, ['spec.accessModes: Required value']],
    [{ 'spec.hostPath': { path: '' } }, ['spec.hostPath.path: Required value']],
    [
      { 'spec.hostPath': { path: '/a/..', type: 'X' } },
      [
        'spec.hostPath.path: Invalid value: "/a/..": must not contain \'..\'',
        'spec.hostPath.type: Unsupported value: "X": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
      ],
    ],
    [{ 'spec.nfs': { server: 's', path: '/' } }, ['spec.nfs: Forbidden: may not specify more than 1 volume type']],
    [{ 'spec.hostPath': undefined }, ['spec: Required value: must specify a volume type']],
    [
      { 'spec.hostPath': undefined, 'spec.nfs': { server: '', path: 'x' } },
      ['spec.nfs.server: Required value', 'spec.nfs.path: Invalid value: "x": must be an absolute path'],
    ],
    [
      { 'spec.hostPath': undefined, 'spec.local': { path: '/x' } },
      ['spec.nodeAffinity: Required value: Local volume requires node affinity'],
    ],
    [
      { 'spec.hostPath': undefined, 'spec.local': { path: '/x' }, 'spec.nodeAffinity': {} },
      ['spec.nodeAffinity.required: Required value: must specify required node constraints'],
    ],
    [
      { 'spec.hostPath': undefined, 'spec.csi': { driver: '', volumeHandle: '', controllerPublishSecretRef: {} } },
      [
        'spec.csi.driver: Required value',
        "spec.csi.driver: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        'spec.csi.volumeHandle: Required value',
        'spec.csi.controllerPublishSecretRef.name: Required value',
        'spec.csi.controllerPublishSecretRef.namespace: Required value',
      ],
    ],
    [
      {
        'spec.hostPath': undefined,
        'spec.iscsi': { targetPortal: '', iqn: 'x', lun: 300, chapAuthSession: true, initiatorName: 'bad' },
      },
      [
        'spec.iscsi.targetPortal: Required value',
        'spec.iscsi.iqn: Invalid value: "x": must be valid format',
        'spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive',
        'spec.iscsi.secretRef: Required value',
        'spec.iscsi.initiatorname: Invalid value: "bad": must be valid format',
      ],
    ],
    [
      { 'spec.hostPath': undefined, 'spec.fc': {} },
      ['spec.fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both'],
    ],
    [
      { 'spec.hostPath': undefined, 'spec.azureDisk': { kind: 'X' } },
      [
        'spec.azureDisk.diskName: Required value',
        'spec.azureDisk.diskURI: Required value',
        'spec.azureDisk.kind: Unsupported value: "X": supported values: "Dedicated", "Managed", "Shared"',
        'spec.azureDisk.diskURI: Unsupported value: "": supported values: "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"',
      ],
    ],
    [{ 'spec.hostPath': undefined, 'spec.cinder': { volumeID: '' } }, ['spec.cinder.volumeID: Required value']],
    [
      { 'spec.hostPath': undefined, 'spec.rbd': {} },
      ['spec.rbd.monitors: Required value', 'spec.rbd.image: Required value'],
    ],
    [{ 'spec.hostPath': undefined, 'spec.rbd': { monitors: ['a'], image: 'x' } }, []],
    [
      { 'spec.hostPath': undefined, 'spec.quobyte': {} },
      [
        'spec.quobyte.registry: Required value: must be a host:port pair or multiple pairs separated by commas',
        'spec.quobyte.volume: Required value',
      ],
    ],
    [
      { 'spec.hostPath': undefined, 'spec.gcePersistentDisk': { pdName: '', partition: 300 } },
      [
        'spec.persistentDisk.pdName: Required value',
        'spec.persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive',
      ],
    ],
    [
      { 'spec.hostPath': undefined, 'spec.storageos': { volumeName: 'A', secretRef: {} } },
      [
        "spec.storageos.volumeName: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        'spec.storageos.secretRef.name: Required value',
        'spec.storageos.secretRef.namespace: Required value',
      ],
    ],
    [{ 'spec.hostPath': undefined, 'spec.flexVolume': {} }, ['spec.flexVolume.driver: Required value']],
    [
      { 'spec.persistentVolumeReclaimPolicy': 'X' },
      ['spec.persistentVolumeReclaimPolicy: Unsupported value: "X": supported values: "Delete", "Recycle", "Retain"'],
    ],
    [
      { 'spec.hostPath.path': '/', 'spec.persistentVolumeReclaimPolicy': 'Recycle' },
      ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
    ],
    [
      { 'spec.storageClassName': 'A' },
      [
        "spec.storageClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [{ 'spec.volumeMode': 'X' }, ['spec.volumeMode: Unsupported value: "X": supported values: "Block", "Filesystem"']],
    [
      { 'spec.volumeAttributesClassName': 'x' },
      ['spec.csi: Required value: has to be specified when using volumeAttributesClassName'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { 'spec.hostPath.path': '/b' },
      ['spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation'],
    ],
    [{}, { 'spec.volumeMode': 'Block' }, ['volumeMode: Invalid value: "Block": field is immutable']],
    [{}, { 'spec.capacity.storage': '2Gi' }, []],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
