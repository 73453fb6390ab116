/** Kubernetes' label selector, as its kinds contain it. Only its shape: convert/label-selector.ts judges the rest. */
import * as z from 'zod';
import * as field from '../fields.ts';
import type { Immutable } from '../resource.ts';
import { once } from './definition.ts';

export const labelSelector = once(() =>
  z.strictObject({
    matchLabels: field.labelMap().exactOptional().describe('Labels, all of which must be as given.'),
    matchExpressions: z
      .array(
        z.strictObject({
          key: z.string().describe('Label.'),
          operator: z.string().describe('`In`, `NotIn`, `Exists` or `DoesNotExist`.'),
          values: z.array(z.string()).exactOptional().describe('Values for `In` and `NotIn`.'),
        }),
      )
      .exactOptional()
      .describe('Requirements, all of which must hold.'),
  }),
);

export type LabelSelector = Immutable<z.output<ReturnType<typeof labelSelector>>>;
