/** Longer forms of all of them: test/long/disturbance.test.ts. */
import { describeDisturbances } from '../disturbance/describe.ts';

describeDisturbances({ kills: 8, changes: 30, tries: 3, storms: 1, away: 3_000 });
