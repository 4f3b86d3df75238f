// All tests that need no browser, in one process: for each file of its own Node starts and loads the same modules again.
import { readdirSync } from 'node:fs';

const here = new URL('.', import.meta.url);
for (const name of readdirSync(here)) if (name.endsWith('.test.js')) await import(new URL(name, here).href);
