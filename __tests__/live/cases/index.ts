/** All cases, in the order in which the Pythons and pips are dealt out to them. */
import type { Case } from '../case.ts';
import { forms } from './forms.ts';
import { nested } from './nested.ts';
import { pinned } from './pinned.ts';
import { projects } from './projects.ts';

export const cases: readonly Case[] = [...forms, ...pinned, ...projects, ...nested];
