/** JSON Merge Patch (RFC 7396). */
import { type Json, type JsonObject, isJsonObject, jsonObject, ownProperty } from './json.ts';

/** The target with the patch applied: null removes, maps are merged, everything else replaces (RFC 7396 §2). */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isJsonObject(patch)) return patch;
  const base: JsonObject = isJsonObject(target) ? target : {};
  const result = new Map<string, Json>(Object.entries(base));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, mergePatch(ownProperty(base, name), value));
  }
  return jsonObject(result);
}
