/** Entry point of the action's post step: saves the wheelhouse, and never fails the job. */
const state = process.env['STATE_wheelhouse'];
// Empty after an exact hit: there is nothing to save, so nothing is loaded.
if (state) await (await import('./save-main.ts')).saveFromState(state);
// Flush stdout first; process.exit() would drop buffered output.
process.stdout.write('', () => process.exit(0));
