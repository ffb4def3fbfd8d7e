/**
 * The three patches that change a document by themselves: JSON patch, merge patch and strategic merge patch.
 */
import {
  applyJsonPatch,
  JsonPatchError,
  MAX_JSON_PATCH_OPERATIONS,
  parseJsonPatch,
} from '../../../machinery/meta/json-patch.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../machinery/meta/json-value.ts';
import { applyMergePatch } from '../../../machinery/meta/merge-patch.ts';
import type { Schema } from '../../../machinery/meta/schema.ts';
import { badRequest, StatusError, tooLarge } from '../../../machinery/meta/status-error.ts';
import { applyStrategicMergePatch } from '../../../machinery/meta/strategic-merge-patch.ts';

export const JSON_PATCH = 'application/json-patch+json';
export const MERGE_PATCH = 'application/merge-patch+json';
export const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';

/**
 * The document that a patch makes of `current`; may share parts with it.
 * @throws StatusError BadRequest when the patch is malformed, Invalid when it does not fit
 */
export function patchedDocument(current: JsonObject, patch: unknown, type: string, schema: Schema): unknown {
  if (type === JSON_PATCH) {
    try {
      const operations = parseJsonPatch(patch);
      if (operations.length > MAX_JSON_PATCH_OPERATIONS)
        throw tooLarge(
          `The allowed maximum operations in a JSON patch is ${MAX_JSON_PATCH_OPERATIONS}, got ${operations.length}`,
        );
      return applyJsonPatch(current, operations);
    } catch (error) {
      if (!(error instanceof JsonPatchError)) throw error;
      if (error.kind === 'malformed') throw badRequest(error.message);
      throw new StatusError(
        'Invalid',
        422,
        `the server rejected our request due to an error in our request: ${error.message}`,
      );
    }
  }
  if (!isJsonObject(patch)) throw badRequest('the patch must be a JSON object');
  if (type === MERGE_PATCH) return applyMergePatch(current, patch as JsonValue);
  return applyStrategicMergePatch(current, patch, schema);
}
