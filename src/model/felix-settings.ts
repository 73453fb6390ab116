/**
 * FelixConfiguration parameters as Felix takes them outside the datastore: variables FELIX_NAME and lines `Name = value`
 * of a file (/etc/calico/felix.cfg). Names are those of the fields, in any case, but for a few that are older than the
 * resource. A text becomes what the schema of the field accepts, so there is one definition of every parameter.
 */
import { ConfigError } from '../base/errors.ts';
import { type FelixConfiguration, felixConfiguration } from './kinds/felix-configuration.ts';

export type FelixSpec = FelixConfiguration['spec'];

export interface FelixSettings {
  readonly spec: FelixSpec;
  /** Names that no parameter has. */
  readonly unknown: readonly string[];
}

/** Felix' own names, where they are not the field's (felix/docs/config-params.json). */
const olderNames: Readonly<Record<string, string>> = {
  externalnodescidrlist: 'externalNodesList',
  ipinipenabled: 'ipipEnabled',
  ipinipmtu: 'ipipMTU',
  reportingintervalsecs: 'reportingInterval',
  reportingttlsecs: 'reportingTTL',
  usagereportinginitialdelaysecs: 'usageReportingInitialDelay',
  usagereportingintervalsecs: 'usageReportingInterval',
  endpointreportingdelaysecs: 'endpointReportingDelay',
};

const prefix = 'FELIX_';
const yes = new Set(['true', '1', 'yes', 'y', 't']);
const no = new Set(['false', '0', 'no', 'n', 'f']);

/** The settings of an environment. Throws a ConfigError that names the variable which is wrong. */
export function felixEnvironment(environment: NodeJS.ProcessEnv): FelixSettings {
  const entries = Object.entries(environment).flatMap(([name, value]) =>
    name.toUpperCase().startsWith(prefix) && value !== undefined && value !== ''
      ? [{ name: name.slice(prefix.length), value, shown: name }]
      : [],
  );
  return settings(entries);
}

/** The settings of a file's text. Throws a ConfigError that names the line which is wrong. */
export function felixFile(text: string, path: string): FelixSettings {
  const entries = text.split('\n').flatMap((line, index) => {
    const content = line.replace(/^\s*[#;].*$/, '').trim();
    if (content === '' || /^\[.*\]$/.test(content)) return [];
    const shown = `${path}:${index + 1}`;
    const match = /^([A-Za-z0-9]+)\s*[=:]\s*(.*)$/.exec(content);
    if (match === null) {
      throw new ConfigError('felix.file', `${shown}: not a setting: ${JSON.stringify(content)}`, {
        fix: 'write Name = value, one on a line',
      });
    }
    return match[2] === '' ? [] : [{ name: match[1]!, value: match[2]!, shown: `${shown}: ${match[1]}` }];
  });
  return settings(entries);
}

interface Entry {
  readonly name: string;
  readonly value: string;
  /** Variable, or line of a file. */
  readonly shown: string;
}

function settings(entries: readonly Entry[]): FelixSettings {
  const fields = new Map(
    Object.keys(felixConfiguration.spec().shape).map((field) => [field.toLowerCase(), field]),
  );
  const spec: Record<string, unknown> = {};
  const unknown: string[] = [];
  for (const { name, value, shown } of entries) {
    const lower = name.toLowerCase();
    const field = olderNames[lower] ?? fields.get(lower);
    // The agent reads how much to log itself, with levels of its own.
    if (field === 'logSeverityScreen') continue;
    if (field === undefined || field === 'nodeSelector') unknown.push(shown);
    else spec[field] = valueOf(field, value.trim(), shown);
  }
  return { spec: spec as FelixSpec, unknown };
}

/** What the schema of the field makes of a text. */
function valueOf(field: string, text: string, shown: string): unknown {
  const schema = felixConfiguration.spec();
  let complaint = '';
  for (const candidate of candidates(text)) {
    const result = schema.safeParse({ [field]: candidate });
    if (result.success) return (result.data as Record<string, unknown>)[field];
    complaint ||= result.error.issues.map(({ message }) => message).join('; ');
  }
  throw new ConfigError('felix.setting', `${shown} cannot be ${JSON.stringify(text)}: ${complaint}`, {
    fix: `see \`margayctl fields felixconfiguration.spec.${field}\``,
  });
}

/** Ways to read a text: as it is, and as the things that YAML has types for. */
function* candidates(text: string): Generator<unknown> {
  const lower = text.toLowerCase();
  yield text;
  if (yes.has(lower)) yield true;
  if (no.has(lower)) yield false;
  if (/^(0x[0-9a-f]+|[0-9]+)$/.test(lower)) yield Number(lower);
  // Felix' durations are seconds.
  if (/^[0-9]+(\.[0-9]+)?$/.test(text)) yield `${text}s`;
  const parts = lower === 'none' ? [] : text.split(',').map((part) => part.trim());
  yield parts;
  yield parts.map(protocolPort);
  yield parts.map((part) => {
    const [min, max = min] = part.split('-').map(Number);
    return { min, max };
  });
}

/** `tcp:22`, `udp:10.0.0.0/8:68`, `tcp:[fd00::/8]:22`, or a port alone, which is of TCP. */
function protocolPort(text: string): unknown {
  const match = /^(?:([A-Za-z]+):)?(?:(\[[^\]]*\]|[0-9./]+):)?([0-9]+)$/.exec(text);
  if (match === null) return text;
  const [, protocol = 'tcp', net, port] = match;
  return {
    protocol: protocol.toLowerCase(),
    port: Number(port),
    ...(net === undefined ? {} : { net: net.replaceAll(/[[\]]/g, '') }),
  };
}
