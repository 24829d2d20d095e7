/** The version of package.json: the build puts it here. */
export const version: string = 'not built';
