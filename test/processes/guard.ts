/**
 * Cleans up after this process however it ends, SIGKILL included.
 *
 * A tiny shell waits on a pipe that only we hold. The kernel closes the pipe when we are gone; the shell
 * then does what it was started for. Nothing has to be hooked, so nothing can be forgotten.
 */
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'

/** Takes the guard away: the work is done, or is no longer wanted. */
export type Dismiss = () => void

/** The process and its group die with us. A server that leads its own group takes its children along. */
export function killWhenWeDie(pid: number): Dismiss {
  return guard('kill -s KILL -- "-$1" "$1" 2>/dev/null', String(pid))
}

/** The folder is removed when we are gone. Waits a moment: whoever writes into it is being killed too. */
export function removeWhenWeDie(folder: string): Dismiss {
  return guard('sleep 0.3; rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }', folder)
}

function guard(work: string, argument: string): Dismiss {
  // A session of its own: Ctrl-C in the terminal reaches us, not the guard.
  const shell = spawn('/bin/sh', ['-c', `while read -r _; do :; done; ${work}`, 'guard', argument], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  })
  shell.on('error', () => undefined)
  shell.unref()
  if (shell.stdin instanceof Socket) shell.stdin.unref()
  return () => {
    shell.kill('SIGKILL')
  }
}
