/** The pip.conf of machines that install from the feed. */
import type { FeedAccess } from './model.ts';

/** Returns a pip.conf for machines that install from the feed, without credentials. */
export function pipConf(feed: FeedAccess): string {
  const { protocol, hostname, host, pathname } = new URL(feed.url);
  const credentials =
    feed.username === undefined
      ? []
      : [
          '# This file contains no credentials. pip finds them in ~/.netrc:',
          `#   machine ${hostname} login USER password TOKEN`,
          '# in keyring (pip install keyring, and keyring-provider = import below),',
          '# or in the environment of one step, which overrides index-url:',
          `#   PIP_INDEX_URL=${protocol}//USER:TOKEN@${host}${pathname}`,
        ];
  return [
    '# Save as ~/.config/pip/pip.conf (Windows: %APPDATA%\\pip\\pip.ini), or set PIP_CONFIG_FILE.',
    ...credentials,
    '[global]',
    `index-url = ${feed.url}`,
    // pip refuses plain http from another machine unless its host is trusted.
    ...(protocol === 'http:' ? [`trusted-host = ${host}`] : []),
    '',
  ].join('\n');
}
