import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createJob, parseFileCommand, parseWorkflowCommand, readActionManifest } from './runner.ts';

const actions = mkdtempSync(join(tmpdir(), 'wheelhouse-actions-'));
after(() => rmSync(actions, { recursive: true, force: true }));

const manifest = `# comment
name: Fake
description: >-
  Says what it
  was given.
inputs:
  plain:
    description: 'it''s quoted: yes'
    default: some value # comment
  kebab-name:
    description: |
      two
      lines
    required: false
    default: "a\\"b"
  with space:
    default: ''
outputs:
  result:
    description: x
runs:
  using: node24
  main: dist/main.js
  post: dist/post.js
`;

/** Writes an action whose main and post are the given scripts. */
function fakeAction(name: string, main: string, post = '', postIf = ''): string {
  const directory = join(actions, name);
  mkdirSync(join(directory, 'dist'), { recursive: true });
  const condition = postIf === '' ? '' : `  post-if: ${postIf}\n`;
  writeFileSync(
    join(directory, 'action.yml'),
    manifest.replace('with space:', "'with space':") + condition,
  );
  writeFileSync(join(directory, 'dist/package.json'), '{"type":"module"}');
  const imports = "import fs from 'node:fs';\nconst { env } = process;\n";
  writeFileSync(join(directory, 'dist/main.js'), imports + main);
  writeFileSync(join(directory, 'dist/post.js'), imports + post);
  return directory;
}

describe('the stand-in runner', () => {
  test('a job passes on inputs, state, outputs, variables and paths as the runner does', async () => {
    const action = fakeAction(
      'passing',
      `
      fs.appendFileSync(env.GITHUB_OUTPUT, 'result<<END\\ntwo\\nlines\\nEND\\n');
      fs.appendFileSync(env.GITHUB_STATE, 'key=kept\\n');
      fs.appendFileSync(env.GITHUB_ENV, 'EXPORTED=1\\n');
      fs.appendFileSync(env.GITHUB_PATH, '/first\\n/second\\n');
      fs.appendFileSync(env.GITHUB_STEP_SUMMARY, '# Summary');
      console.log(JSON.stringify({ ...env, cwd: process.cwd() }));
      `,
      'console.log(env.STATE_key, env.INPUT_PLAIN, env.EXPORTED, env.ANOTHER);',
    );
    const job = createJob({ env: { ANOTHER: '2' }, files: { 'a/b.txt': 'x' } });
    try {
      const result = await job.step({ action, with: { Plain: 'given' } });
      const seen = JSON.parse(result.stdout);
      assert.equal(result.conclusion, 'success');
      assert.equal(seen.INPUT_PLAIN, 'given');
      assert.equal(seen['INPUT_KEBAB-NAME'], 'a"b');
      assert.equal(seen.INPUT_WITH_SPACE, '');
      assert.equal(seen.cwd, job.workspace);
      assert.equal(seen.HOME, job.home);
      assert.equal(seen.GITHUB_SERVER_URL, 'https://github.com');
      assert.equal(seen.CI, 'true');
      assert.ok(existsSync(join(job.workspace, 'a/b.txt')));
      const leaked = Object.keys(seen).filter((name) => /^(PIP|UV|PYTHON|npm)_?|proxy/i.test(name));
      assert.deepEqual(leaked, []);
      assert.deepEqual(result.outputs, { result: 'two\nlines' });
      assert.equal(result.summary, '# Summary');

      const later = await job.run('sh', ['-c', 'echo "$EXPORTED $PATH"']);
      assert.match(later.stdout, /^1 \/second:\/first:/);

      const posts = await job.post();
      assert.deepEqual(
        posts.map((post) => post.stdout.trim()),
        ['kept given 1 2'],
      );
      assert.deepEqual(await job.post(), []);
      assert.equal(job.outcome, 'success');
    } finally {
      job.cleanup();
    }
    assert.equal(existsSync(job.root), false);
  });

  test('a step collects annotations, groups, masks and debug messages from both streams', async () => {
    const action = fakeAction(
      'talking',
      `
      console.log('::add-mask::s3cret');
      console.log('::warning file=a%3Ab.txt,line=3,title=T%2CU::100%25 of%0As3cret');
      console.error('::error::bad');
      console.log('::group::Title\\ninside s3cret\\n::endgroup::\\noutside');
      console.log('::debug::quiet');
      console.log('::stop-commands::tok\\n::error::not a command\\n::tok::');
      console.log('prefix ##[notice]older');
      console.log('::unknown::kept');
      `,
    );
    const job = createJob();
    try {
      const result = await job.step({ action, with: { nonsense: 1 } });
      const byLevel = (level: string) =>
        result.annotations.filter((annotation) => annotation.level === level);
      assert.deepEqual(byLevel('error'), [{ level: 'error', message: 'bad', properties: {} }]);
      assert.match(byLevel('warning')[0]?.message ?? '', /^Unexpected input\(s\) 'nonsense'/);
      assert.deepEqual(byLevel('warning')[1], {
        level: 'warning',
        message: '100% of\n***',
        properties: { file: 'a:b.txt', line: '3', title: 'T,U' },
      });
      assert.deepEqual(byLevel('notice')[0]?.message, 'older');
      assert.deepEqual(result.groups, [{ title: 'Title', lines: ['inside ***'] }]);
      assert.deepEqual(result.masks, ['s3cret']);
      assert.deepEqual(result.debug, ['quiet']);
      assert.match(result.log, /^::error::not a command$/m);
      assert.match(result.log, /^::unknown::kept$/m);
      assert.doesNotMatch(result.log, /s3cret/);
      assert.match(result.stdout, /s3cret/);
    } finally {
      job.cleanup();
    }
  });

  test('post steps run in reverse order and obey post-if', async () => {
    const always = fakeAction('always', 'process.exitCode = 3;', 'console.log("always");');
    const success = fakeAction('success', '', 'console.log("success");', 'success()');
    const failure = fakeAction('failure', '', 'console.log("failure");', 'failure()');
    const job = createJob();
    try {
      for (const action of [success, failure, always]) await job.step({ action });
      assert.equal(job.outcome, 'failure');
      const posts = await job.post();
      assert.deepEqual(
        posts.map((post) => post.stdout.trim()),
        ['always', 'failure'],
      );
    } finally {
      job.cleanup();
    }
  });

  test('a step that exceeds its deadline is killed with all its child processes', async () => {
    const job = createJob();
    try {
      const begun = Date.now();
      const result = await job.run('sh', ['-c', 'sleep 60 & echo begun; wait'], { timeout: 300 });
      assert.equal(result.timedOut, true);
      assert.equal(result.conclusion, 'failure');
      assert.equal(result.stdout, 'begun\n');
      assert.ok(Date.now() - begun < 30_000);
    } finally {
      job.cleanup();
    }
  });

  test('a step ends even if a background process keeps its output open', async () => {
    const job = createJob();
    try {
      const result = await job.run('sh', ['-c', 'sleep 60 & echo done']);
      assert.equal(result.conclusion, 'success');
      assert.ok(result.durationMs < 30_000);
    } finally {
      job.cleanup();
    }
  });

  test('cancelling sends SIGINT to the action and still runs its post step', async () => {
    const action = fakeAction(
      'cancelled',
      `
      process.on('SIGINT', () => { console.log('caught'); process.exit(1); });
      fs.appendFileSync(env.GITHUB_STATE, 'begun=yes\\n');
      console.log('ready');
      setInterval(() => {}, 1000);
      `,
      'console.log(env.STATE_begun);',
    );
    const job = createJob();
    try {
      const running = job.start({ action });
      await running.printed(/ready/);
      const result = await running.cancel();
      assert.match(result.stdout, /caught/);
      assert.equal(job.outcome, 'cancelled');
      assert.equal((await job.post())[0]?.stdout, 'yes\n');
    } finally {
      job.cleanup();
    }
  });

  test('a malformed file command or NODE_OPTIONS in GITHUB_ENV fails the step', async () => {
    const job = createJob();
    try {
      const broken = await job.run('sh', ['-c', 'echo nonsense >> "$GITHUB_OUTPUT"']);
      assert.equal(broken.exitCode, 0);
      assert.equal(broken.conclusion, 'failure');
      const options = await job.run('sh', ['-c', 'echo NODE_OPTIONS=x >> "$GITHUB_ENV"']);
      assert.match(options.annotations[0]?.message ?? '', /NODE_OPTIONS/);
      assert.equal(job.env.NODE_OPTIONS, undefined);
    } finally {
      job.cleanup();
    }
  });

  test('a failure with continueOnError does not change the outcome of the job', async () => {
    const job = createJob();
    try {
      const result = await job.run('false', [], { continueOnError: true });
      assert.equal(result.conclusion, 'failure');
      assert.equal(job.outcome, 'success');
    } finally {
      job.cleanup();
    }
  });
});

describe('the readers of the stand-in runner', () => {
  test('readActionManifest reads inputs, post and post-if from action.yml', () => {
    const read = readActionManifest(fakeAction('manifest', ''));
    assert.deepEqual(read.inputs.plain, { default: 'some value', required: false });
    assert.deepEqual(read.inputs['kebab-name'], { default: 'a"b', required: false });
    assert.equal(read.post, 'dist/post.js');
    assert.equal(read.postIf, 'always()');
  });

  test('parseFileCommand reads lines and heredocs', () => {
    assert.deepEqual(parseFileCommand('a=b<<c\nd<<E=F\nx=\n=\nE=F\n\ng=\n'), {
      a: 'b<<c',
      d: 'x=\n=',
      g: '',
    });
    assert.throws(() => parseFileCommand('a<<E\nb\n'), /Matching delimiter not found 'E'/);
    assert.throws(() => parseFileCommand('a'), /Invalid format 'a'/);
  });

  test('parseWorkflowCommand decodes both syntaxes', () => {
    assert.deepEqual(parseWorkflowCommand('  ::warning title=a::b::c%250A'), {
      name: 'warning',
      properties: { title: 'a' },
      message: 'b::c%0A',
    });
    assert.deepEqual(parseWorkflowCommand('x ##[error file=a;line=2]b%5D'), {
      name: 'error',
      properties: { file: 'a', line: '2' },
      message: 'b]',
    });
    assert.equal(parseWorkflowCommand('x ::warning::y'), undefined);
    assert.equal(parseWorkflowCommand('a::b'), undefined);
  });
});
