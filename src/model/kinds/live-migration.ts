/** LiveMigration (projectcalico.org/v3): a workload that is moving to another node. Written by orchestrators. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind, once } from './definition.ts';

const workload = {
  hostname: () => z.string().exactOptional().describe('Node; ignored for `k8s`.'),
  orchestratorID: () => z.string().exactOptional().describe('The orchestrator, such as `k8s`.'),
  workloadID: () => z.string().exactOptional().describe('The workload, such as `namespace/pod`.'),
};

const workloadIdentifier = once(() =>
  z.strictObject({
    hostname: workload.hostname(),
    orchestratorID: workload.orchestratorID(),
    workloadID: workload.workloadID(),
  }),
);

const endpointIdentifier = once(() =>
  z.strictObject({
    hostname: workload.hostname(),
    orchestratorID: workload.orchestratorID(),
    workloadID: workload.workloadID(),
    endpointID: z.string().exactOptional().describe('The endpoint.'),
  }),
);

function exactlyOne(value: object, context: z.RefinementCtx, names: string): void {
  if (context.issues.length > 0 || Object.keys(value).length === 1) return;
  field.fault(context, `exactly one of ${names} must be given`);
}

export const liveMigration = defineKind({
  kind: 'LiveMigration',
  apiVersion: 'projectcalico.org/v3',
  plural: 'livemigrations',
  aliases: [],
  namespaced: true,
  description:
    'A workload on its way from one node to another; routes to its new place are preferred meanwhile.',
  spec: () =>
    z.strictObject({
      source: field
        .across(
          z.strictObject({
            workload: workloadIdentifier().exactOptional().describe('A workload with all its endpoints.'),
            workloadEndpoint: endpointIdentifier().exactOptional().describe('One endpoint.'),
          }),
          (value, context) => exactlyOne(value, context, 'workload and workloadEndpoint'),
        )
        .exactOptional()
        .describe('What moves.'),
      target: field
        .across(
          z.strictObject({
            selector: field.selector().exactOptional().describe('Workloads by label.'),
            workloadEndpoint: endpointIdentifier().exactOptional().describe('One endpoint.'),
          }),
          (value, context) => exactlyOne(value, context, 'selector and workloadEndpoint'),
        )
        .exactOptional()
        .describe('What it becomes.'),
    }),
});

export type LiveMigration = ResourceOf<typeof liveMigration>;
