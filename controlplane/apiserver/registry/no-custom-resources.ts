/**
 * Answers who asks for CustomResourceDefinitions: there are none. kubectl looks whenever a manifest names a kind that it does not find, and
 * tells an unhelpful story if it cannot.
 */
import { notFound } from '../../../machinery/meta/status-error.ts';
import type { VirtualResource } from './resource-set.ts';

const GROUP = 'apiextensions.k8s.io';
const RESOURCE = 'customresourcedefinitions';
const KIND = 'CustomResourceDefinition';

/** @param revision of the storage, for the list's resourceVersion */
export function noCustomResources(revision: () => Promise<string>): VirtualResource {
  return {
    info: {
      group: GROUP,
      version: 'v1',
      kind: KIND,
      resource: RESOURCE,
      singular: KIND.toLowerCase(),
      namespaced: false,
      shortNames: ['crd', 'crds'],
    },
    verbs: ['get', 'list'],
    async handle({ info }) {
      if (info.verb === 'get') throw notFound({ group: GROUP, resource: RESOURCE }, info.name);
      const metadata = { resourceVersion: await revision() };
      return {
        kind: 'object',
        status: 200,
        object: { kind: `${KIND}List`, apiVersion: `${GROUP}/v1`, metadata, items: [] },
      };
    },
  };
}
