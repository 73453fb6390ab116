/** fields and crds: what the definitions of the kinds say. */
import type { Command } from 'commander';
import { ConfigError } from '../../base/errors.ts';
import type { CtlContext } from '../context.ts';

export function addModelCommands(program: Command, context: CtlContext): void {
  addFields(program, context);
  addCrds(program, context);
}

function addFields(program: Command, context: CtlContext): void {
  program
    .command('fields')
    .description('Print the documentation of a kind or of one of its fields.')
    .argument('<kind>', 'KIND or KIND.PATH, such as networkpolicy.spec.ingress.action')
    .addHelpText(
      'after',
      `
As \`kubectl explain\`: type, default, what is allowed, and the fields below. Lists and maps add no step to a path. No
datastore is asked. (\`margayctl explain\` is about verdicts.)

Exit code: 0 when there is such a field, else 1.

Examples:
  margayctl fields ippool
  margayctl fields np.spec.ingress.destination.ports`,
    )
    .action(async (words: string) => {
      const [{ kindNamed, userKind }, { fieldDocs, formatFieldDocs }] = await Promise.all([
        import('../target.ts'),
        import('../../model/field-docs.ts'),
      ]);
      const [kind = '', ...path] = words.split('.').filter((step) => step !== '');
      const definition = kindNamed(kind);
      const docs = fieldDocs(definition, path);
      if ('unknown' in docs) {
        const field = [...docs.parent, docs.unknown].join('.');
        throw new ConfigError('ctl.field', `${userKind(definition.kind)} has no field ${field}`, {
          fix:
            docs.suggestion === undefined
              ? `${docs.known.length === 0 ? 'there are no fields below' : `use one of ${docs.known.join(', ')}`}`
              : `use '${docs.suggestion}'`,
        });
      }
      context.environment.write(formatFieldDocs(docs));
    });
}

function addCrds(program: Command, context: CtlContext): void {
  program
    .command('crds')
    .description("Print CustomResourceDefinitions of Calico's kinds, for Kubernetes.")
    .argument('[kind]', 'only this one')
    .addHelpText(
      'after',
      `
They come from the definitions by which resources are validated here. No datastore is asked.

Exit code: 0.

Examples:
  margayctl crds | kubectl apply -f -
  margayctl crds ippool`,
    )
    .action(async (word: string | undefined) => {
      const [{ kindNamed }, { crdText, crds, crdsText }] = await Promise.all([
        import('../target.ts'),
        import('../../model/crd.ts'),
      ]);
      if (word === undefined) {
        context.environment.write(crdsText());
        return;
      }
      const { kind, plural } = kindNamed(word);
      const found = crds().find(({ metadata }) => metadata.name.startsWith(`${plural}.`));
      if (found === undefined) {
        throw new ConfigError('ctl.kind', `${kind} is a kind of Kubernetes itself and has no definition`, {
          fix: 'leave it out',
        });
      }
      context.environment.write(crdText(found));
    });
}
