/** Shell completion: candidates for a command line, from the table of commands, and the scripts that ask for them. */
import type { Argument, Command, Option } from 'commander';
import { ConfigError } from '../base/errors.ts';
import { PLAIN_FORMATS, TEMPLATE_FORMATS } from './output/format.ts';

export interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** What only the datastore and the model know. */
export interface CompletionSources {
  readonly kinds: () => Promise<readonly Candidate[]>;
  /** Names of the resources of a kind, in the namespace that the line names. */
  readonly names: (kind: string, namespace: string | undefined) => Promise<readonly Candidate[]>;
}

/**
 * Candidates for the last of `words` (those after the program's name; the last one may be empty or half typed). None
 * where a file is wanted: the shell completes those itself.
 */
export async function complete(
  program: Command,
  words: readonly string[],
  sources: CompletionSources,
): Promise<Candidate[]> {
  const line = readLine(program, words.slice(0, -1));
  const typed = words.at(-1) ?? '';
  const all = await candidates(program, line, typed, sources);
  return all.filter(({ word }) => word.startsWith(typed));
}

interface Line {
  readonly command: Command;
  /** Words that are neither command nor option nor an option's value. */
  readonly rest: readonly string[];
  /** An option whose value is wanted next. */
  readonly open: Option | undefined;
  readonly namespace: string | undefined;
}

function readLine(program: Command, words: readonly string[]): Line {
  let command = program;
  const rest: string[] = [];
  let open: Option | undefined;
  let namespace: string | undefined;
  for (const word of words) {
    if (open !== undefined) {
      if (open.long === '--namespace') namespace = word;
      open = undefined;
    } else if (word.startsWith('-')) {
      const [flag, value] = word.split('=', 2);
      const option = optionsOf(program, command).find(({ short, long }) => flag === short || flag === long);
      if (option !== undefined && value === undefined && (option.required || option.optional)) open = option;
      if (option?.long === '--namespace' && value !== undefined) namespace = value;
    } else {
      const next = command.commands.find((each) => each.name() === word);
      if (next === undefined) rest.push(word);
      else command = next;
    }
  }
  return { command, rest, open, namespace };
}

/** A command's own options and those of the program, which may stand anywhere before it. */
function optionsOf(program: Command, command: Command): readonly Option[] {
  return command === program ? program.options : [...command.options, ...program.options];
}

async function candidates(
  program: Command,
  { command, rest, open, namespace }: Line,
  typed: string,
  sources: CompletionSources,
): Promise<readonly Candidate[]> {
  if (open !== undefined) return valuesOf(open, command);
  if (typed.startsWith('-')) {
    return optionsOf(program, command)
      .filter(({ hidden }) => !hidden)
      .map((option) => ({ word: option.long ?? option.short!, about: option.description }));
  }
  if (command.commands.length > 0) {
    return command.commands
      .filter((each) => each.name() !== HIDDEN_COMMAND)
      .map((each) => ({ word: each.name(), about: each.description() }));
  }
  const wanted: Argument | undefined = command.registeredArguments[0];
  if (wanted?.argChoices !== undefined && rest.length === 0) {
    return wanted.argChoices.map((word) => ({ word, about: '' }));
  }
  if (wanted?.name() !== 'kind') return [];
  const [kind] = rest;
  return kind === undefined ? sources.kinds() : sources.names(kind, namespace);
}

function valuesOf(option: Option, command: Command): Candidate[] {
  if (option.argChoices !== undefined) return option.argChoices.map((word) => ({ word, about: '' }));
  if (option.long !== '--output' || command.name() !== 'get') return [];
  return [...PLAIN_FORMATS, ...TEMPLATE_FORMATS.map((type) => `${type}=`)].map((word) => ({
    word,
    about: '',
  }));
}

/** Answers the scripts; not meant for people. */
export const HIDDEN_COMMAND = '__complete';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The script that a shell loads. It asks `margayctl __complete` for candidates, one `WORD<tab>ABOUT` per line. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# margayctl completion for bash
_margayctl() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(margayctl ${HIDDEN_COMMAND} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}
complete -o default -F _margayctl margayctl
`,
  zsh: `#compdef margayctl
# margayctl completion for zsh
_margayctl() {
  local line
  local -a found
  while IFS= read -r line; do
    found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(margayctl ${HIDDEN_COMMAND} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then _describe 'margayctl' found; else _files; fi
}
compdef _margayctl margayctl
`,
  fish: `# margayctl completion for fish
function __margayctl_complete
    set -l words (commandline -opc) (commandline -ct)
    margayctl ${HIDDEN_COMMAND} -- $words[2..-1] 2>/dev/null
end
complete -c margayctl -a '(__margayctl_complete)'
`,
};

/** Throws a ConfigError for a shell that is not among {@link SHELLS}. */
export function shellNamed(word: string): Shell {
  const shell = SHELLS.find((name) => name === word);
  if (shell !== undefined) return shell;
  throw new ConfigError('ctl.usage', `no completion for "${word}"`, { fix: `use ${SHELLS.join(', ')}` });
}
