/** A fabric of three: our speaker is host 1, BIRD is host 2, FRR is host 3, and both have a session with us. */
import { afterEach, beforeEach } from 'vitest';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import { Bird, type BirdPeerOptions, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr, frrConfig } from './fixture-frr.ts';
import { type RunningSpeaker, startSpeaker } from './fixture-speaker.ts';

export interface TrioOptions {
  /** In AS 65002 with a session to AS 64512, but for what is given. */
  readonly bird?: Partial<BirdPeerOptions>;
  /** In AS 65003 with a session to AS 64512, but for what is given. */
  readonly frr?: Partial<Parameters<typeof frrConfig>[0]>;
  readonly ours: SpeakerConfig;
}

export class Trio {
  fabric!: Fabric;
  private running: { bird?: Bird; frr?: Frr; ours?: RunningSpeaker } = {};

  get bird(): Bird {
    return this.running.bird!;
  }

  get frr(): Frr {
    return this.running.frr!;
  }

  get ours(): RunningSpeaker {
    return this.running.ours!;
  }

  async prepare(): Promise<void> {
    this.fabric = await makeFabric(3);
  }

  async start({ bird, frr, ours }: TrioOptions): Promise<void> {
    const { hosts } = this.fabric;
    const both = { neighbor: 1, neighborAs: 64512 };
    await Promise.all([
      Bird.start({
        namespace: hosts[1]!,
        config: birdConfig({ ...both, host: 2, asNumber: 65002, ...bird }),
      }).then((started) => (this.running.bird = started)),
      Frr.start({
        namespace: hosts[2]!,
        config: frrConfig({ ...both, host: 3, asNumber: 65003, ...frr }),
      }).then((started) => (this.running.frr = started)),
      this.startOurs(ours),
    ]);
  }

  /** Starts our speaker, again after it was stopped. */
  async startOurs(config: SpeakerConfig): Promise<void> {
    this.running.ours = await startSpeaker(this.fabric.hosts[0]!, config);
  }

  async stopOurs(options: { readonly graceful: boolean }): Promise<void> {
    const { ours } = this;
    delete this.running.ours;
    await ours.stop(options);
  }

  async end(): Promise<void> {
    const { bird, frr, ours } = this.running;
    this.running = {};
    await ours?.stop();
    await Promise.all([bird?.stop(), frr?.stop()]);
    this.fabric.destroy();
  }
}

/** One for each test of the surrounding `describe`. */
export function useTrio(): Trio {
  const trio = new Trio();
  beforeEach(() => trio.prepare());
  afterEach(() => trio.end());
  return trio;
}
