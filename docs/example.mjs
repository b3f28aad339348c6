import { createSupervisor } from 'chameleon-supervisor';

const supervisor = await createSupervisor({ pluginDir: './plugins' });
try {
  console.log(await supervisor.call('hello', 'greet', ['世界']));

  const markdown = supervisor.plugin('markdown'); // in TypeScript: supervisor.plugin<MarkdownMethods>('markdown')
  console.log(await markdown.render('a *plugin*, not a module'));

  const before = supervisor.status('hello').pid;
  const { outcome, to } = await supervisor.reload('hello'); // the new child is ready before the old one is drained
  console.log(outcome, to, supervisor.status('hello').pid !== before);

  await supervisor.call('hello', 'greet', [1n]).catch((error) => console.log(error.code, '-', error.path));
  await supervisor.call('hello', 'shout').catch((error) => console.log(error.code, '-', error.available));
} finally {
  const { killed, abandonedCalls } = await supervisor.close(); // drains, then stops every child
  console.log({ killed, abandonedCalls });
}
