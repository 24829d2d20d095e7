/** What a machine needs to install from the feed. */
import type { FeedAccess } from './model.ts';

/** What a machine needs to install from the feed; it holds no credentials. */
export function pipConf(feed: FeedAccess): string {
  const { protocol, hostname, host, pathname } = new URL(feed.url);
  const credentials =
    feed.username === undefined
      ? []
      : [
          '# Credentials are not in here. pip finds them in ~/.netrc:',
          `#   machine ${hostname} login USER password TOKEN`,
          '# in keyring (pip install keyring, and keyring-provider = import below),',
          '# or in the environment of one step, which takes the place of index-url:',
          `#   PIP_INDEX_URL=${protocol}//USER:TOKEN@${host}${pathname}`,
        ];
  return [
    '# ~/.config/pip/pip.conf (Windows: %APPDATA%\\pip\\pip.ini), or where PIP_CONFIG_FILE says.',
    ...credentials,
    '[global]',
    `index-url = ${feed.url}`,
    // pip takes nothing over plain http from another machine that it is not told to trust.
    ...(protocol === 'http:' ? [`trusted-host = ${host}`] : []),
    '',
  ].join('\n');
}
