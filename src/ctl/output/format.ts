/** What `-o` names. Light: it is read on every start. */
import { ConfigError } from '../../base/errors.ts';

export type OutputFormat =
  | { readonly type: 'ps' | 'wide' | 'yaml' | 'json' | 'name' }
  | { readonly type: 'custom-columns' | 'jsonpath' | 'go-template'; readonly template: string };

export const PLAIN_FORMATS = ['ps', 'wide', 'yaml', 'json', 'name'] as const;
export const TEMPLATE_FORMATS = ['custom-columns', 'jsonpath', 'go-template'] as const;

/** Formats whose template may also be a file: `-o go-template-file=FILE`. */
const FILE_SUFFIX = '-file';

/** Reads the value of `-o`; `read` gives the content of a file. Throws a ConfigError that names what there is. */
export function parseOutputFormat(text: string, read: (file: string) => string): OutputFormat {
  const plain = PLAIN_FORMATS.find((name) => name === text);
  if (plain !== undefined) return { type: plain };
  const [, name, template] = /^([a-z-]+)=(.*)$/s.exec(text) ?? [];
  for (const type of TEMPLATE_FORMATS) {
    if (name === type) return { type, template: template! };
    if (name === type + FILE_SUFFIX) return { type, template: read(template!).trimEnd() };
    if (text === type || text === type + FILE_SUFFIX) {
      throw new ConfigError('ctl.output', `-o ${text} needs a template`, {
        fix: `write -o '${EXAMPLES[type]}'`,
      });
    }
  }
  throw new ConfigError('ctl.output', `unknown output format "${text}"`, {
    fix: `use ${[...PLAIN_FORMATS, ...TEMPLATE_FORMATS.flatMap((type) => [`${type}=…`, `${type}-file=…`])].join(', ')}`,
  });
}

const EXAMPLES: Readonly<Record<(typeof TEMPLATE_FORMATS)[number], string>> = {
  'custom-columns': 'custom-columns=NAME:.metadata.name,ORDER:.spec.order',
  jsonpath: 'jsonpath={.items[*].metadata.name}',
  'go-template': 'go-template={{range .items}}{{.metadata.name}}{{"\\n"}}{{end}}',
};
