/** KubeControllersConfiguration (projectcalico.org/v3): the object `default`. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { checkedLabels } from '../metadata.ts';
import { type ResourceOf, defineKind, once } from './definition.ts';

const switchable = () => z.enum(['Enabled', 'Disabled']);
const period = () =>
  field.duration().exactOptional().describe('Interval of the full check against the datastore (default 5m).');

const template = once(() =>
  field.across(
    z.strictObject({
      generateName: field.objectName().exactOptional().describe('What is added to the name of the node.'),
      interfaceCIDRs: z
        .array(field.net())
        .exactOptional()
        .describe('Only addresses of the node inside these are expected addresses.'),
      interfacePattern: z
        .string()
        .superRefine((text, context) => {
          try {
            new RegExp(text);
          } catch (error) {
            if (!(error instanceof SyntaxError)) throw error;
            field.fault(context, `not a regular expression: ${error.message}`);
          }
        })
        .exactOptional()
        .describe('Regular expression of interfaces; each that matches gets a host endpoint.'),
      labels: checkedLabels().exactOptional().describe("Labels to add; they win over the node's."),
      nodeSelector: field.selector().exactOptional().describe('Nodes by label.'),
    }),
    (value, context) => {
      if (context.issues.length > 0 || value.interfacePattern !== undefined) return;
      if ((value.interfaceCIDRs?.length ?? 0) > 0) return;
      field.fault(context, 'interfaceCIDRs or interfacePattern must be given');
    },
  ),
);

const configuration = once(() =>
  z.strictObject({
    logSeverityScreen: z
      .enum(['None', 'Debug', 'Info', 'Warning', 'Error', 'Fatal', 'Panic'])
      .exactOptional()
      .describe('Least severe level that is logged (default Info).'),
    healthChecks: switchable().default('Enabled').describe('Whether health is served.'),
    etcdV3CompactionPeriod: field
      .duration()
      .exactOptional()
      .describe('Interval of compactions of etcd; 0 for none (default 10m).'),
    prometheusMetricsPort: z
      .int()
      .min(0)
      .max(65535)
      .exactOptional()
      .describe('Port of the metrics server; 0 for none (default 9094).'),
    controllers: z
      .strictObject({
        node: z
          .strictObject({
            reconcilerPeriod: period(),
            syncLabels: switchable()
              .exactOptional()
              .describe('Copy labels of Kubernetes nodes (default Enabled).'),
            hostEndpoint: z
              .strictObject({
                autoCreate: switchable()
                  .exactOptional()
                  .describe('Make a host endpoint for every node (default Disabled).'),
                createDefaultHostEndpoint: switchable()
                  .exactOptional()
                  .describe(
                    'Make the one for all interfaces as well as those of templates (default Enabled).',
                  ),
                templates: z
                  .array(template())
                  .exactOptional()
                  .describe('Further host endpoints of every node.'),
              })
              .exactOptional()
              .describe('Host endpoints that follow the nodes.'),
            leakGracePeriod: field
              .duration()
              .exactOptional()
              .describe(
                'How long an address must be out of use to count as leaked; 0 for never (default 15m).',
              ),
          })
          .exactOptional()
          .describe('Follows nodes.'),
        policy: z
          .strictObject({ reconcilerPeriod: period() })
          .exactOptional()
          .describe('Copies network policies of Kubernetes.'),
        workloadEndpoint: z
          .strictObject({ reconcilerPeriod: period() })
          .exactOptional()
          .describe('Copies labels of pods.'),
        serviceAccount: z
          .strictObject({ reconcilerPeriod: period() })
          .exactOptional()
          .describe('Makes profiles of service accounts.'),
        namespace: z
          .strictObject({ reconcilerPeriod: period() })
          .exactOptional()
          .describe('Makes profiles of namespaces.'),
        loadBalancer: z
          .strictObject({
            assignIPs: z
              .enum(['AllServices', 'RequestedServicesOnly'])
              .default('AllServices')
              .describe('Which services of type LoadBalancer get an address.'),
          })
          .exactOptional()
          .describe('Assigns addresses to services.'),
        policyMigration: z
          .strictObject({
            enabled: switchable().default('Enabled').describe('Whether old names of policies are replaced.'),
          })
          .exactOptional()
          .describe('Renames policies of older versions.'),
      })
      .default({})
      .describe('The controllers; one that is left out does not run.'),
    debugProfilePort: z
      .int()
      .min(0)
      .max(65535)
      .exactOptional()
      .describe('Port of the profiler; none without it.'),
  }),
);

export const kubeControllersConfiguration = defineKind({
  kind: 'KubeControllersConfiguration',
  apiVersion: 'projectcalico.org/v3',
  plural: 'kubecontrollersconfigurations',
  aliases: ['kubecontrollersconfig', 'kubecontrollersconfigs', 'kcconfig', 'kcconfigs', 'kcc', 'kccs'],
  namespaced: false,
  description: 'Parameters of the controllers that follow Kubernetes.',
  spec: configuration,
  status: () =>
    z.looseObject({
      environmentVars: field
        .labelMap()
        .exactOptional()
        .describe('Environment variables that changed the configuration.'),
    }),
  names: { valid: (name) => name === 'default', allowed: 'default' },
});

export type KubeControllersConfiguration = ResourceOf<typeof kubeControllersConfiguration>;
