/**
 * The OpenAPI documents, made when first asked for and kept: most clients never ask.
 */
import type { OpenApiDocuments } from './non-resource-handler.ts';

export function openApiDocuments(): OpenApiDocuments {
  const made = new Map<string, Promise<Buffer | undefined>>();
  const once = (key: string, make: () => Promise<unknown>): Promise<Buffer | undefined> => {
    let bytes = made.get(key);
    if (bytes === undefined) {
      bytes = make().then((document) => (document === undefined ? undefined : Buffer.from(JSON.stringify(document))));
      bytes.catch(() => made.delete(key));
      made.set(key, bytes);
    }
    return bytes;
  };
  const openApi = (): Promise<typeof import('../openapi/index.ts')> => import('../openapi/index.ts');
  return {
    v2: async () => (await once('v2', async () => (await openApi()).openApiV2())) ?? Buffer.alloc(0),
    v3Index: async () => (await once('v3', async () => (await openApi()).openApiV3Index())) ?? Buffer.alloc(0),
    v3: (group, version) => once(`v3/${group}/${version}`, async () => (await openApi()).openApiV3(group, version)),
  };
}
