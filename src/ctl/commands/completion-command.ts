/** completion, and what its scripts ask. */
import { Argument, type Command } from 'commander';
import { HIDDEN_COMMAND, SHELLS, complete, completionScript, shellNamed } from '../completion.ts';
import { type CtlContext, DEFAULT_NAMESPACE } from '../context.ts';

export function addCompletionCommand(program: Command, context: CtlContext): void {
  program
    .command('completion')
    .description('Print a script that lets a shell complete commands, flags, kinds and names.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Names of resources are completed from the datastore that the environment names.

Exit code: 0.

Examples:
  margayctl completion bash > /etc/bash_completion.d/margayctl
  source <(margayctl completion bash)
  margayctl completion zsh > "\${fpath[1]}/_margayctl"
  margayctl completion fish > ~/.config/fish/completions/margayctl.fish`,
    )
    .action((shell: string) => context.environment.write(completionScript(shellNamed(shell))));
  program
    .command(HIDDEN_COMMAND, { hidden: true })
    .argument('[words...]')
    .action(async (words: string[]) => {
      const found = await complete(program, words, {
        kinds: async () => {
          const { kinds } = await import('../../model/registry.ts');
          return kinds.map(({ plural, description }) => ({ word: plural, about: description }));
        },
        names: async (word, namespace = DEFAULT_NAMESPACE) => {
          const [{ kindNamed }, { asked, listOptions }, { isKnown }] = await Promise.all([
            import('../target.ts'),
            import('../get.ts'),
            import('../../model/registry.ts'),
          ]);
          const definition = kindNamed(word);
          const where = { namespace, allNamespaces: false };
          let names: string[] = [];
          await context.withDatastore(async (datastore) => {
            const { resources } = await datastore.list(listOptions(definition, where));
            names = resources
              .filter(isKnown)
              .flatMap((resource) => asked(resource, definition, where)?.metadata.name ?? []);
            return undefined;
          });
          return names.sort().map((name) => ({ word: name, about: definition.kind }));
        },
      });
      context.environment.write(found.map(({ word, about }) => `${word}\t${about}\n`).join(''));
    });
}
