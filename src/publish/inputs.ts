/** Reads and checks the inputs of publishing. */
import { type Host, type InputName, inputReader, loadRequest } from '../inputs.ts';
import { UserError } from '../logic/errors.ts';
import { derivedUploadUrl } from './logic/feed.ts';
import { auditModes, type PublishRequest, uploaders } from './logic/model.ts';

/** Every input with its default, as publish/action.yml declares them. */
export const publishInputDefaults = {
  packages: '',
  requirements: '',
  constraints: '',
  'working-directory': '.',
  python: '',
  platforms: '',
  'python-versions': '',
  'index-url': '',
  'index-username': '',
  'index-password': '',
  'feed-url': '',
  'upload-url': '',
  'feed-username': '',
  'feed-password': '',
  uploader: 'twine',
  audit: 'off',
  'dry-run': 'false',
} as const;

export type PublishInputName = keyof typeof publishInputDefaults;

/** Inputs with the same meaning as when packages are installed. */
const shared: readonly string[] = [
  'packages',
  'requirements',
  'constraints',
  'working-directory',
  'python',
  'index-url',
  'index-username',
  'index-password',
] satisfies (PublishInputName & InputName)[];

/**
 * @param get gives the text of an input, empty when it is not set
 * @throws UserError that names the input and what it accepts
 */
export function loadPublishRequest(
  get: (name: PublishInputName) => string,
  host: Host,
): PublishRequest {
  const { text, lines, oneOf, flag } = inputReader(get, publishInputDefaults, /[\r\n,]+/);

  if (text('packages') === '' && text('requirements') === '') {
    throw new UserError(
      'There is nothing to publish. Set the input packages, such as requests>=2.31, or the input requirements, such as requirements.txt.',
    );
  }
  const { request: source } = loadRequest(
    (name) => (shared.includes(name) ? get(name as PublishInputName) : ''),
    host,
  );
  const feedUrl = address('feed-url', text('feed-url'));
  if (feedUrl === undefined) {
    throw new UserError(
      'The input feed-url is not set. Set it to the address of the simple index of your feed, such as https://feed.example/simple/.',
    );
  }
  const uploadUrl =
    address('upload-url', text('upload-url')) ?? derivedUploadUrl(withSlash(feedUrl));
  if (uploadUrl === undefined) {
    throw new UserError(
      "The input upload-url is not set and can't be derived from feed-url. Set it to the address that your feed's documentation gives for twine.",
    );
  }
  const username = text('feed-username') || undefined;
  const password = text('feed-password') || undefined;
  if ((username === undefined) !== (password === undefined)) {
    throw new UserError(
      'Only one of the inputs feed-username and feed-password is set. Set both or neither; if the feed ignores the user name, use any value.',
    );
  }
  return Object.freeze({
    source,
    platforms: lines('platforms'),
    pythonVersions: lines('python-versions'),
    feed: { url: withSlash(feedUrl), username, password },
    uploadUrl,
    uploader: oneOf('uploader', uploaders),
    audit: oneOf('audit', auditModes),
    dryRun: flag('dry-run'),
  });
}

/**
 * @returns undefined when it is not set
 * @throws UserError without the value, which may contain a secret
 */
function address(name: PublishInputName, value: string): string | undefined {
  if (value === '') return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UserError(
      `The input ${name} is not a valid URL (expected one such as https://feed.example/simple/).`,
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UserError(
      `The input ${name} contains more than an address. Put credentials in feed-username and feed-password.`,
    );
  }
  return url.href;
}

function withSlash(url: string): string {
  return url.replace(/\/*$/, '/');
}
