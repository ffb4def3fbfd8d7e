/**
 * The OpenAPI documents, made when first asked for and kept compressed: most clients never ask.
 */
import { kinds } from '../../../proto/api/kinds.ts';
import type { OpenApi } from '../openapi/index.ts';
import type { OpenApiDocuments } from './non-resource-handler.ts';
import { KUBERNETES_VERSION } from './version.ts';

export function openApiDocuments(): OpenApiDocuments {
  let made: Promise<OpenApi> | undefined;
  const openApi = (): Promise<OpenApi> =>
    (made ??= import('../openapi/index.ts').then(module => new module.OpenApi(kinds, KUBERNETES_VERSION)));
  return {
    v2: async () => (await openApi()).openApiV2Json(),
    v2Proto: async () => (await openApi()).openApiV2Proto(),
    v3Index: async () => (await openApi()).openApiV3Index(),
    v3: async (group, version) =>
      (await openApi()).openApiV3(group === '' ? `api/${version}` : `apis/${group}/${version}`),
  };
}
