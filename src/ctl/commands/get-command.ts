/** get. */
import type { Command } from 'commander';
import { ConfigError } from '../../base/errors.ts';
import { type CtlContext, DEFAULT_NAMESPACE } from '../context.ts';
import { parseOutputFormat } from '../output/format.ts';
import { documentsOf, ignoredContext } from './resource-flags.ts';

interface GetFlags {
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly skipEmpty?: boolean;
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly export?: boolean;
  readonly watch?: boolean;
  readonly output: string;
}

const HELP = `
Output formats:
  ps                       a table for people (the default), in calicoctl's columns
  wide                     a table with more columns
  yaml, json               documents that apply and create take; several are a List in json
  name                     KIND/NAME, as get, delete, patch and label take it
  custom-columns=SPEC      HEADING:PATH with commas between, as kubectl has it (NAME:.metadata.name,ORDER:.spec.order);
                           or, as calicoctl has it, headings of the tables above (NAME,ORDER). Missing is <none>.
  jsonpath=TEMPLATE        kubectl's JSONPath over the JSON document: {.a.b} {.a['b.c']} {.a\\.b} {..name} {.items[*]}
                           {.a[0]} [-1] [1:3] [::2] [0,2] ['x','y'] {.items[?(@.spec.order<200)].metadata.name}
                           {range .items[*]}…{end} {"\\n"}. Filters compare with == != < <= > >= or ask for a field.
  go-template=TEMPLATE     Go's text/template over the JSON document, as kubectl has it (calicoctl's own works on Go
                           structs: write .metadata.name for .ObjectMeta.Name and .items for the outer range):
                           {{.a.b}} {{if}} {{else if}} {{else}} {{with}} {{range $i, $x := .items}} {{break}}
                           {{continue}} {{end}} {{$x := p}} {{- -}} pipes, parentheses, and the functions and or not eq
                           ne lt le gt ge len index slice print printf println join. Not: define, template, block.
  custom-columns-file=FILE, jsonpath-file=FILE, go-template-file=FILE
                           the same from a file

One resource that is asked for by name is printed alone, several as a List with items.

Watching: -w prints what is there and then each change, with the column EVENT (ADDED, MODIFIED, DELETED) in tables, one
{"type": …, "object": …} per line in json, and "# ADDED" before each document in yaml. It ends with Ctrl-C.

Exit code: 0 when everything that was asked for is there and valid, else 1; what there is is printed all the same.

Examples:
  margayctl get nodes -o wide
  margayctl get np -A
  margayctl get np -n shop frontend -o yaml
  margayctl get -f policy.yaml -o yaml --export > copy.yaml
  margayctl get ippools -o custom-columns=NAME,CIDR,BLOCK:.spec.blockSize
  margayctl get wep -A -o jsonpath='{range .items[*]}{.metadata.name}{"\\t"}{.spec.ipNetworks[0]}{"\\n"}{end}'
  margayctl get gnp -o go-template='{{range .items}}{{.metadata.name}} {{end}}'
  margayctl get np -A -w`;

export function addGetCommand(program: Command, context: CtlContext): void {
  program
    .command('get')
    .description('Print resources.')
    .argument('[kind]', 'kind, plural or alias: networkpolicy, np, ippools, …; or KIND/NAME')
    .argument('[name...]', 'only these')
    .option('-f, --filename <file...>', 'the resources that these files name')
    .option('-R, --recursive', 'descend into directories')
    .option('--skip-empty', 'pass over files and directories that hold no resource')
    .option('-n, --namespace <namespace>', `namespace (default: "${DEFAULT_NAMESPACE}")`)
    .option('-A, --all-namespaces', 'all namespaces')
    // calicoctl knows the small letter as well.
    .option('-a', 'the same')
    .option('-o, --output <format>', 'how to print, see below', 'ps')
    .option('--export', 'leave out uid, creationTimestamp, resourceVersion, generation and status')
    .option('-w, --watch', 'go on with every change as it happens')
    .addOption(ignoredContext())
    .addHelpText('after', HELP)
    .action(async (kind: string | undefined, names: string[], flags: GetFlags & { readonly a?: boolean }) => {
      const { readText } = await import('../files.ts');
      const allNamespaces = flags.allNamespaces === true || flags.a === true;
      const options = {
        format: parseOutputFormat(flags.output, readText),
        withNamespace: allNamespaces || flags.namespace !== undefined,
        portable: flags.export === true,
      };
      if (kind === undefined) {
        if (flags.watch === true) {
          throw new ConfigError('ctl.usage', '-w needs a kind', { fix: 'write margayctl get KIND -w' });
        }
        const { getDocuments } = await import('../get.ts');
        const documents = await documentsOf(flags);
        await context.withDatastore((datastore) => getDocuments(datastore, documents, options));
        return;
      }
      if (flags.filename !== undefined) {
        throw new ConfigError('ctl.usage', 'both a kind and a file are given', {
          fix: 'use one: margayctl get KIND, or margayctl get -f FILE',
        });
      }
      const [{ get }, { kindNamed, splitKind }] = await Promise.all([
        import('../get.ts'),
        import('../target.ts'),
      ]);
      const target = splitKind(kind, names);
      const definition = kindNamed(target.kind);
      const whole = {
        ...options,
        names: target.names,
        namespace: flags.namespace ?? DEFAULT_NAMESPACE,
        allNamespaces,
      };
      await context.withDatastore(async (datastore) => {
        if (flags.watch !== true) return get(datastore, definition, whole);
        const { watchResources } = await import('../watch.ts');
        const { write, writeError, signal = new AbortController().signal } = context.environment;
        await watchResources(datastore, definition, whole, { write, writeError, signal });
        return undefined;
      });
    });
}
