/** The metadata that all kinds share, and the rules for names and labels. */
import * as z from 'zod';
import * as field from './fields.ts';
import { once } from './kinds/definition.ts';
import type { ObjectMeta } from './resource.ts';

const labelKeyPattern =
  /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,126}[A-Za-z0-9])?$/;
const labelValuePattern = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** Labels as they may be on an object. */
export const checkedLabels = once(() =>
  z.record(z.string(), z.string()).superRefine((map, context) => {
    for (const [key, value] of Object.entries(map)) {
      if (!labelKeyPattern.test(key)) {
        field.fault(context, 'not a label key', { allowed: 'NAME or DOMAIN/NAME' }, [key]);
      } else if (!labelValuePattern.test(value)) {
        const allowed = 'up to 63 of letters, digits, "-", "_" and ".", with a letter or digit at both ends';
        field.fault(context, 'not a label value', { allowed }, [key]);
      }
    }
  }),
);

/** Most bytes of keys and values of all annotations together. */
const maximumAnnotations = 256 * 1024;

const annotations = once(() =>
  z.record(z.string(), z.string()).superRefine((map, context) => {
    let size = 0;
    for (const [key, value] of Object.entries(map)) {
      size += Buffer.byteLength(key) + Buffer.byteLength(value);
      if (labelKeyPattern.test(key.toLowerCase())) continue;
      field.fault(context, 'not an annotation key', { allowed: 'NAME or DOMAIN/NAME' }, [key]);
    }
    if (size > maximumAnnotations) {
      field.fault(context, `longer than ${maximumAnnotations} bytes together`, { allowed: 'less' });
    }
  }),
);

/** Fields that Kubernetes tools write and that mean nothing to the datastore: read, then left out. */
const ignored = ['managedFields', 'selfLink', 'clusterName'] as const;

export const metadataSchema = once(() =>
  z
    .strictObject({
      name: z.string().describe('Name, unique among its kind (and namespace).'),
      namespace: z.string().exactOptional().describe('Namespace, for namespaced kinds.'),
      labels: checkedLabels().exactOptional().describe('Labels that selectors match.'),
      annotations: annotations().exactOptional().describe('Notes for people and tools.'),
      uid: z.string().exactOptional().describe('Identity of this object through its life.'),
      creationTimestamp: z.string().exactOptional().describe('When it was created (RFC 3339).'),
      resourceVersion: z.string().exactOptional().describe('Version for compare-and-swap.'),
      generateName: z.string().exactOptional().describe('Prefix of a generated name.'),
      generation: z.int().exactOptional().describe('Counter of changes to the spec.'),
      deletionTimestamp: z.string().exactOptional().describe('When it is to be deleted.'),
      deletionGracePeriodSeconds: z.int().exactOptional().describe('Time left until then.'),
      finalizers: z.array(z.string()).exactOptional().describe('Who must agree to its deletion.'),
      ownerReferences: z
        .array(
          z.strictObject({
            apiVersion: z.string(),
            kind: z.string(),
            name: z.string(),
            uid: z.string(),
            controller: z.boolean().exactOptional(),
            blockOwnerDeletion: z.boolean().exactOptional(),
          }),
        )
        .exactOptional()
        .describe('Objects that it belongs to.'),
      managedFields: z.unknown().exactOptional().describe('Ignored.'),
      selfLink: z.unknown().exactOptional().describe('Ignored.'),
      clusterName: z.unknown().exactOptional().describe('Ignored.'),
    })
    .transform((metadata): ObjectMeta => {
      if (!ignored.some((name) => name in metadata)) return metadata;
      const kept: Partial<typeof metadata> = { ...metadata };
      for (const name of ignored) delete kept[name];
      return kept as ObjectMeta;
    }),
);
