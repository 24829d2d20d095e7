/** Entry of the action's post step: saves what the main step left, and never fails the job. */
const state = process.env['STATE_wheelhouse'];
// After an exact hit it is empty: there is nothing to save, and nothing is loaded.
if (state) await (await import('./save-main.ts')).saveFromState(state);
// Not before all is said: what lies in a pipe's buffer would be lost.
process.stdout.write('', () => process.exit(0));
