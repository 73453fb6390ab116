/** Profiles by name from where they may come, of which one is in force. */
import type { Profile } from '../model/kinds/profile.ts';

/** The resource wins over what a namespace or service account is converted to, and both over what is built in. */
export type ProfileSource = 'resource' | 'converted' | 'built-in';

const precedence: readonly ProfileSource[] = ['resource', 'converted', 'built-in'];

/** The profile that Calico gives to endpoints which nothing else protects: it allows everything. */
const defaultAllow: ProvidedProfile = {
  resource: 'Profile/projectcalico-default-allow',
  spec: { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] },
};

export interface ProvidedProfile {
  /** The resource that it comes from, by `keyText`. */
  readonly resource: string;
  readonly spec: Profile['spec'];
}

export class ProfileSources {
  private readonly byName = new Map<string, Map<ProfileSource, ProvidedProfile>>([
    ['projectcalico-default-allow', new Map([['built-in', defaultAllow]])],
  ]);

  /** Every name that has a profile. */
  names(): IterableIterator<string> {
    return this.byName.keys();
  }

  set(name: string, source: ProfileSource, profile: ProvidedProfile | undefined): void {
    const sources = this.byName.get(name) ?? new Map<ProfileSource, ProvidedProfile>();
    if (profile === undefined) sources.delete(source);
    else sources.set(source, profile);
    if (sources.size === 0) this.byName.delete(name);
    else this.byName.set(name, sources);
  }

  /** The profile in force. */
  get(name: string): ProvidedProfile | undefined {
    const sources = this.byName.get(name);
    const source = precedence.find((candidate) => sources?.has(candidate));
    return source === undefined ? undefined : sources?.get(source);
  }
}
