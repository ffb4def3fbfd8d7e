/** A node as events name it: as upstream's, its name stands for its UID, which is not known before it is registered. */
import type { ObjectReference } from '../../../../proto/api/core-v1.ts';

export function nodeSubject(nodeName: string): Required<Pick<ObjectReference, 'apiVersion' | 'kind' | 'name' | 'uid'>> {
  return { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
}
