/** The commands whose code margayctl carries compiled: those that people and scripts run most. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addCodeCache } from './code-cache.mjs';

const RESOURCES = `apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: frontend, namespace: shop}
spec: {order: 200, selector: app == "frontend", ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]}
---
apiVersion: projectcalico.org/v3
kind: ClusterInformation
metadata: {name: default}
spec: {clusterGUID: abc}
`;

/** Rewrites the bundle of margayctl. */
export function cacheCtl(file) {
  addCodeCache(file, {
    prepare(folder) {
      mkdirSync(join(folder, 'datastore'));
      writeFileSync(join(folder, 'resources.yaml'), RESOURCES);
    },
    commands: [
      ['--datastore', 'file://{}/datastore', 'apply', '-f', '{}/resources.yaml'],
      ['--datastore', 'file://{}/datastore', 'get', 'np', '-A'],
      ['--datastore', 'file://{}/datastore', 'get', 'np', '-n', 'shop', 'frontend', '-o', 'yaml'],
    ],
  });
}
