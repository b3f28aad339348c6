/** What to tell of a system that lets nobody watch more files. */

/** Says what ran out and how to raise it, in one line; null for another error. Linux has a limit of watches and one of watchers. */
export function shortageOf(error: unknown): string | null {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC') return 'inotify has no watch left for this user; raise it with "sysctl fs.inotify.max_user_watches=524288"';
  if (code !== 'EMFILE' || !(syscall === 'watch' || message.includes('watch'))) return null;
  return 'inotify has no instance left for this user; raise it with "sysctl fs.inotify.max_user_instances=512"';
}
