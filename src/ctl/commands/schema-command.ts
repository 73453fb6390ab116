/** schema. */
import { Argument, type Command } from 'commander';
import type { CtlContext } from '../context.ts';

const NAMES = ['explain', 'reach', 'policy-diff', 'lint'] as const;

export function addSchemaCommand(program: Command, context: CtlContext): void {
  program
    .command('schema')
    .description('Print the JSON Schema of what a command prints with -o json.')
    .addArgument(new Argument('<command>', 'the command').choices(NAMES))
    .addHelpText(
      'after',
      `
Exit code: 0.

Example:
  margayctl schema explain`,
    )
    .action(async (name: (typeof NAMES)[number]) => {
      const { jsonSchema } = await import('../../explain/schemas.ts');
      context.environment.write(`${JSON.stringify(jsonSchema(name), undefined, 2)}\n`);
    });
}
