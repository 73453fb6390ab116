import { describeDisturbances } from '../disturbance/describe.ts';

describeDisturbances({ kills: 100, changes: 1000, tries: 50, storms: 5, away: 60_000 });
