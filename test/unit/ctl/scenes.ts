/** What program.test.ts does with margayctl, and what must come of it: messages and exit codes as a table. */

export const GOOD = `apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: frontend, namespace: shop}
spec: {order: 200, selector: app == "frontend"}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pool-1, labels: {team: web}}
spec: {cidr: 10.0.0.0/16}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: web}}
`;
export const HALF = `${GOOD}---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pool-2}
spec: {cidr: 10.1.0.0/33}
`;
export const CHANGED = GOOD.replace('order: 200', 'order: 50');

export const KUBERNETES = `apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop, labels: {team: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, serviceAccountName: web}
status: {phase: Running, podIP: 10.0.0.5}
`;
export const TIER = `apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 10}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: security.block}
spec: {tier: security, selector: all()}
`;

interface Step {
  readonly args: string;
  readonly code?: number;
  /** Exactly, or as a pattern. */
  readonly output?: string | RegExp;
  readonly errors?: string | RegExp;
}

const NONE = '';
const APPLY: Step = { args: 'apply -f {}/good.yaml' };

/** What is done, in turn, and what comes of it. */
export const SCENES: Readonly<Record<string, readonly Step[]>> = {
  'create says what it did; again it refuses, and --skip-exists forgives': [
    { args: 'create -f {}/good.yaml', output: 'Successfully created 3 resource(s)\n', errors: NONE },
    {
      args: 'create -f {}/good.yaml',
      code: 1,
      output: NONE,
      errors:
        /^failed to create 'NetworkPolicy' resource: resource already exists: NetworkPolicy\(shop\/frontend\)\n/,
    },
    {
      args: 'create -f {}/good.yaml --skip-exists',
      output: 'Successfully created 3 resource(s)\n',
      errors: NONE,
    },
  ],
  'apply works on the good documents of a half broken file': [
    {
      args: 'apply -f {}/half.yaml',
      code: 1,
      output: 'Partial success: applied 3 out of 4 resources\n',
      errors: /half\.yaml:18:14: spec\.cidr: not a CIDR/,
    },
    { args: 'get np -n shop', output: /frontend/ },
  ],
  '--atomic applies nothing of a half broken file': [
    {
      args: 'apply -f {}/half.yaml --atomic',
      code: 1,
      output: NONE,
      errors: /half\.yaml:18:14: .*\nNothing was changed \(--atomic\)\.\n$/,
    },
    { args: 'get np -n shop -o name', output: NONE },
  ],
  '--atomic changes nothing when the datastore would refuse one of several': [
    { args: 'create -f {}/pool.yaml' },
    {
      args: 'create -f {}/good.yaml --atomic',
      code: 1,
      output: NONE,
      errors: /resource already exists: IPPool\(pool-1\)\nNothing was changed/,
    },
    { args: 'get np -n shop -o name', output: NONE },
  ],
  '--dry-run=client checks documents only': [
    {
      args: 'create -f {}/good.yaml --dry-run=client --datastore etcd://127.0.0.1:1',
      output: 'Would have created 3 resource(s) (client dry run)\n',
    },
    {
      args: 'create -f {}/half.yaml --dry-run client',
      code: 1,
      output: 'Would have created 3 out of 4 resource(s) (client dry run)\n',
      errors: /not a CIDR/,
    },
    { args: 'get np -n shop -o name', output: NONE },
  ],
  '--dry-run=server asks the datastore, and writes nothing': [
    {
      args: 'apply -f {}/good.yaml --dry-run=server',
      output: 'Would have applied 3 resource(s) (server dry run)\n',
    },
    {
      args: 'replace -f {}/pool.yaml --dry-run=server',
      code: 1,
      errors: "failed to replace 'IPPool' resource: resource does not exist: IPPool(pool-1)\n",
    },
    { args: 'get ippool -o name', output: NONE },
    APPLY,
    {
      args: 'delete ippool pool-1 --dry-run=server',
      output: "Would have deleted 1 'IPPool' resource(s) (server dry run)\n",
    },
    {
      args: 'patch ippool pool-1 -p {"spec":{"disabled":true}} --dry-run=server',
      output: "Would have patched 1 'IPPool' resource (server dry run)\n",
    },
    { args: 'get ippool pool-1 -o jsonpath={.spec.disabled}', output: NONE },
  ],
  'delete takes KIND NAME, KIND/NAME and files, and minds what is not there': [
    APPLY,
    { args: 'delete ippool/pool-1', output: "Successfully deleted 1 'IPPool' resource(s)\n" },
    {
      args: 'delete ippool pool-1',
      code: 1,
      errors: "failed to delete 'IPPool' resource: resource does not exist: IPPool(pool-1)\n",
    },
    { args: 'delete -f {}/good.yaml --skip-not-exists', output: 'Successfully deleted 3 resource(s)\n' },
    {
      args: 'delete ippool',
      code: 1,
      errors: /no name of a IPPool is given\n {2}fix: margayctl delete ippool NAME/,
    },
    { args: 'delete ippool x -f {}/good.yaml', code: 1, errors: /both a kind and a file are given/ },
    { args: 'delete tier default', code: 1, errors: /Tier\(default\) is built in and cannot be deleted/ },
    {
      args: 'delete profile projectcalico-default-allow',
      code: 1,
      errors: /Profile\(projectcalico-default-allow\) is built in/,
    },
  ],
  'delete -R descends': [
    APPLY,
    { args: 'delete -f {}/nested', code: 1, errors: /no resources specified in .*nested\n {2}fix: .*-R/ },
    { args: 'delete -R -f {}/nested', output: "Successfully deleted 1 'IPPool' resource(s)\n" },
  ],
  'an empty file is an error, unless --skip-empty': [
    { args: 'apply -f {}/empty.yaml', code: 1, errors: /no resources specified in .*empty\.yaml/ },
    { args: 'apply -f {}/empty.yaml --skip-empty', output: 'No resources specified\n', errors: NONE },
    {
      args: 'apply -f {}/empty.yaml -f {}/pool.yaml --skip-empty',
      output: "Successfully applied 1 'IPPool' resource(s)\n",
    },
    { args: 'apply', code: 1, errors: /no file is given/ },
    { args: 'apply -f {}/missing.yaml', code: 1, errors: /cannot read .*missing\.yaml/ },
  ],
  'validate needs no datastore': [
    {
      args: 'validate -f {}/good.yaml --datastore etcd://127.0.0.1:1',
      output: 'Successfully validated 3 resource(s)\n',
    },
    {
      args: 'validate -f {}/half.yaml',
      code: 1,
      output: 'Partial success: validated 3 out of 4 resources\n',
      errors: /half\.yaml:18:14: spec\.cidr: not a CIDR, found "10\.1\.0\.0\/33"/,
    },
    { args: 'validate -f {}/pool.yaml', output: "Successfully validated 1 'IPPool' resource(s)\n" },
  ],
  'diff ends with 0, 1 and 2 as diff does': [
    {
      args: 'diff -f {}/good.yaml',
      code: 1,
      output: /^--- \/dev\/null\n\+\+\+ wanted\/NetworkPolicy\/shop\/frontend\n/,
    },
    APPLY,
    { args: 'diff -f {}/good.yaml', code: 0, output: NONE },
    {
      args: 'diff -f {}/changed.yaml',
      code: 1,
      output: `--- stored/NetworkPolicy/shop/frontend
+++ wanted/NetworkPolicy/shop/frontend
@@ -7,7 +7,7 @@
     projectcalico.org/tier: default
 spec:
   tier: default
-  order: 200
+  order: 50
   selector: app == "frontend"
   types:
     - Ingress
`,
    },
    { args: 'diff -f {}/half.yaml', code: 2, errors: /not a CIDR/ },
    { args: 'diff -f {}/missing.yaml', code: 2, errors: /cannot read/ },
    { args: 'diff -f {}/empty.yaml --skip-empty', code: 0 },
  ],
  'patch: strategic, merge and JSON': [
    APPLY,
    {
      args: 'patch ippool pool-1 -p {"spec":{"natOutgoing":true}}',
      output: "Successfully patched 1 'IPPool' resource\n",
    },
    { args: 'patch ippool/pool-1 -t merge -p {"metadata":{"labels":{"team":null,"a":"b"}}}' },
    { args: 'patch ippool pool-1 -t json -p [{"op":"add","path":"/spec/disabled","value":true}]' },
    { args: 'patch ippool pool-1 --patch-file {}/patch.yaml' },
    {
      args: 'get ippool pool-1 -o jsonpath={.spec.natOutgoing}/{.spec.disabled}/{.spec.vxlanMode}/{.metadata.labels}',
      output: 'true/true/Always/{"a":"b"}',
    },
  ],
  'patch refuses what is no patch, no resource, or no valid result': [
    APPLY,
    {
      args: 'patch ippool nosuch -p {"spec":{}}',
      code: 1,
      errors: "failed to patch 'IPPool' resource: resource does not exist: IPPool(nosuch)\n",
    },
    {
      args: 'patch ippool pool-1 -p {"spec":{"natOutgoin":true}}',
      code: 1,
      errors: /the result is not valid:\nspec\.natOutgoin: unknown field \(did you mean "natOutgoing"\?\)/,
    },
    {
      args: 'patch ippool pool-1 -p {"spec":{"cidr":"10.2.0.0/16"}}',
      code: 1,
      errors: /spec\.cidr cannot be changed/,
    },
    {
      args: 'patch ippool pool-1 -p {"metadata":{"name":"pool-9"}}',
      code: 1,
      errors: /a patch cannot turn IPPool\/pool-1 into IPPool\/pool-9/,
    },
    {
      args: 'patch ippool pool-1 -p {"metadata":{"resourceVersion":"1"},"spec":{"disabled":true}}',
      code: 1,
      errors: /update conflict: IPPool\(pool-1\)/,
    },
    { args: 'patch ippool pool-1 -p {]', code: 1, errors: /the patch is neither JSON nor YAML/ },
    { args: 'patch ippool pool-1 -p word', code: 1, errors: /the patch is neither a map nor a list/ },
    { args: 'patch ippool pool-1', code: 1, errors: /no patch is given/ },
    { args: 'patch ippool -p {}', code: 1, errors: /one name of a ippool is needed/ },
    {
      args: 'patch ippool pool-1 -p {} -t mrge',
      code: 1,
      errors: /Allowed choices are strategic, json, merge/,
    },
  ],
  'label sets, updates and removes, in calicoctl sentences': [
    APPLY,
    { args: 'label ippool pool-1 a=1', output: 'Successfully set label a on ippool pool-1\n' },
    {
      args: 'label ippool pool-1 a=2',
      code: 1,
      errors:
        "failed to update label of ippool pool-1, key a is already present. please use '--overwrite' to set a new value\n",
    },
    {
      args: 'label ippool pool-1 a=2 --overwrite',
      output: 'Successfully updated label a on ippool pool-1\n',
    },
    { args: 'label ippool pool-1 a=2', output: 'Successfully updated label a on ippool pool-1\n' },
    { args: 'label ippool pool-1 a --remove', output: 'Successfully removed label a from ippool pool-1\n' },
    {
      args: 'label ippool pool-1 a --remove',
      code: 1,
      errors: /^cannot remove label of ippool pool-1, key a does not exist\n {2}fix: its labels are team\n/,
    },
    {
      args: 'label ippool/pool-1 b=1 team- c=2',
      output:
        'Successfully set label b on ippool pool-1\nSuccessfully removed label team from ippool pool-1\nSuccessfully set label c on ippool pool-1\n',
    },
    { args: 'get ippool pool-1 -o jsonpath={.metadata.labels}', output: '{"b":"1","c":"2"}' },
    {
      args: 'label ippool pool-1 d=1 nosuch-',
      code: 1,
      output: NONE,
      errors: /cannot remove label/,
    },
    { args: 'get ippool pool-1 -o jsonpath={.metadata.labels}', output: '{"b":"1","c":"2"}' },
    {
      args: 'label ippool pool-1 x=a/b',
      code: 1,
      errors:
        /^failed to update ippool pool-1, label not changed: the result is not valid:\nmetadata\.labels\.x: not a label value/,
    },
    {
      args: 'label ippool pool-1 x',
      code: 1,
      errors: /label "x": it has no value\n {2}fix: write x=VALUE, or x --remove/,
    },
    { args: 'label ippool pool-1 x=1 --remove', code: 1, errors: /a value cannot be given with --remove/ },
    { args: 'label ippool pool-1', code: 1, errors: /no label is given/ },
    { args: 'label ns shop team=other --overwrite', output: 'Successfully updated label team on ns shop\n' },
    { args: 'get ns shop -o jsonpath={.metadata.labels.team}', output: 'other' },
  ],
  'get prints in every format': [
    APPLY,
    {
      args: 'get np -n shop',
      output: 'NAMESPACE   NAME       TIER      \nshop        frontend   default   \n\n',
    },
    { args: 'get np frontend -n shop -o name', output: 'networkpolicy/frontend\n' },
    { args: 'get networkpolicy/frontend -n shop -o go-template={{.spec.order}}', output: '200' },
    {
      args: 'get np -a -o custom-columns=NAME,O:.spec.order',
      output: 'NAME       O     \nfrontend   200   \n\n',
    },
    { args: 'get ns', output: 'NAME   \nshop   \n\n' },
    {
      args: 'get -f {}/good.yaml -o name',
      output: 'networkpolicy/frontend\nippool/pool-1\nnamespace/shop\n',
    },
    {
      args: 'get -f {}/pool.yaml -o yaml --export',
      output:
        /^apiVersion: projectcalico\.org\/v3\nkind: IPPool\nmetadata:\n {2}name: pool-1\n {2}labels:\n {4}team: web\nspec:/,
    },
    { args: 'get ippool -o jsonpath={.kind}', output: 'IPPoolList' },
    { args: 'get ippool -o jsonpath-file={}/template', output: 'pool-1' },
  ],
  'get says what is wrong': [
    { args: 'get nosuchkind', code: 1, errors: /resource type 'nosuchkind' is not supported/ },
    { args: 'get ipool', code: 1, errors: /resource type 'ipool' is not supported\n {2}fix: use 'IPPool'/ },
    { args: 'get ippool x', code: 1, errors: 'resource does not exist: IPPool(x)\n' },
    { args: 'get ippool -o tabel', code: 1, errors: /unknown output format "tabel"\n {2}fix: use ps, wide/ },
    {
      args: 'get ippool -o custom-columns=NAM',
      code: 1,
      errors: /IPPool has no column NAM\n {2}fix: use NAME, or NAM:PATH/,
    },
    { args: 'get', code: 1, errors: /no file is given/ },
    { args: 'get -w', code: 1, errors: /-w needs a kind/ },
    { args: 'gett', code: 1, errors: /unknown command 'gett'\n\(Did you mean get\?\)/ },
    {
      args: 'get ippool --datastore file:///nonexistent',
      code: 1,
      errors: /there is no datastore in \/nonexistent/,
    },
  ],
  'kinds of Kubernetes go to what is stored for them, and come back where they can': [
    { args: 'apply -f {}/kubernetes.yaml', output: 'Successfully applied 2 resource(s)\n', errors: NONE },
    { args: 'get profile -o name', output: 'profile/ksa.shop.web\n' },
    { args: 'get sa -n shop -o jsonpath={.items[*].metadata.labels.team}', output: 'web' },
    { args: 'get sa -o name', output: NONE },
    { args: 'get sa web -n shop -o name', output: 'serviceaccount/web\n' },
    { args: 'get wep -n shop -o jsonpath={.items[*].spec.pod}', output: 'front' },
    {
      args: 'get pods -n shop',
      code: 1,
      errors: 'a Pod of Kubernetes is stored in another form\n  fix: ask for workloadendpoints\n',
    },
    { args: 'diff -f {}/kubernetes.yaml', code: 0, output: NONE, errors: NONE },
    { args: 'delete -f {}/kubernetes.yaml', output: 'Successfully deleted 2 resource(s)\n' },
  ],
  'a tier with policies cannot be deleted': [
    { args: 'apply -f {}/tier.yaml' },
    {
      args: 'delete tier security',
      code: 1,
      errors:
        "failed to delete 'Tier' resource: Tier(security) has policies: security.block\n  fix: delete its policies first, or move them to another tier\n",
    },
    { args: 'delete gnp security.block' },
    { args: 'delete tier security', output: "Successfully deleted 1 'Tier' resource(s)\n" },
  ],
  'fields tells what the model knows of a field': [
    { args: 'fields ippool', output: /^KIND: {5}IPPool\nVERSION: {2}projectcalico\.org\/v3\n[^]*FIELDS:\n/ },
    {
      args: 'fields np.spec.ingress.action',
      output: /^KIND: {5}NetworkPolicy\n[^]*FIELD: {4}spec\.ingress\.action <string>/,
    },
    {
      args: 'fields ippool.spec.natOutgoin',
      code: 1,
      errors: /^IPPool has no field spec\.natOutgoin\n {2}fix: use 'natOutgoing'\n$/,
    },
    { args: 'fields nosuch', code: 1, errors: /resource type 'nosuch' is not supported/ },
  ],
  'crds prints definitions that kubectl takes': [
    {
      args: 'crds',
      output: /^---\napiVersion: apiextensions\.k8s\.io\/v1\nkind: CustomResourceDefinition\n/,
    },
    { args: 'crds ippool', output: /^apiVersion: [^]*\n {2}name: ippools\.projectcalico\.org\n/ },
    { args: 'crds namespace', code: 1, errors: /Namespace is a kind of Kubernetes itself/ },
  ],
  'commands stop at a cluster of another version': [
    { args: 'create -f {}/cluster.yaml' },
    {
      args: 'get ippool',
      code: 1,
      output: NONE,
      errors:
        /^version mismatch\.\nClient Version: {3}\S+\nCluster Version: {2}99\.1\.0\nUse --allow-version-mismatch to override\n$/,
    },
    { args: 'get ippool -o name --allow-version-mismatch', output: NONE },
    { args: 'validate -f {}/pool.yaml', output: /Successfully/ },
    {
      args: 'version',
      output: /^Client Version: {4}\S+\nCluster Version: {3}99\.1\.0\nCluster Type: {6}unknown\n/,
    },
  ],
  'commands accept a cluster of Calico v3': [
    { args: 'create -f {}/calico.yaml' },
    { args: 'get ippool -o name', output: NONE, errors: NONE },
  ],
};
