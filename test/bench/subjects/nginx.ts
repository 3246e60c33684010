/**
 * nginx as a plain reverse proxy with one worker: what a proxy costs that is written in C.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeWhenWeDie } from '../../processes/guard.ts'
import { canInstall, installPackages } from '../../services/apt.ts'
import { findProgram } from '../../services/find.ts'
import { freePort } from '../../services/server.ts'
import { startOn } from '../machine/placement.ts'
import { ANY_KEY, asItIs, type Started, type Surroundings } from './subject.ts'

const TEMP_KINDS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

export async function startNginx({ upstreamPort, placement }: Surroundings): Promise<Started> {
  const program = (await findProgram(['nginx'])) ?? (await installNginx())
  if (program === null)
    return { kind: 'skipped', why: 'nginx is not installed (apt-get install nginx-light)' }
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'apiproxy-bench-nginx-'))
  const dismiss = removeWhenWeDie(folder)
  await writeFile(join(folder, 'nginx.conf'), configOf(folder, port, upstreamPort))
  const nginx = await startOn(placement.subjectCpu, program, ['-p', folder, '-c', join(folder, 'nginx.conf')])
  await nginx.waitForLine(/start worker process \d+/)
  const subject = {
    name: 'nginx' as const,
    what: 'nginx, one worker, no access log, keep-alive to the upstream',
    port,
    pid: nginx.pid,
    headers: ANY_KEY,
    modelFor: asItIs,
    [Symbol.asyncDispose]: async () => {
      await nginx.stop('SIGTERM')
      await rm(folder, { recursive: true, force: true })
      dismiss()
    },
  }
  return { kind: 'started', subject }
}

async function installNginx(): Promise<string | null> {
  if (!(await canInstall())) return null
  await installPackages(['nginx-light'])
  return findProgram(['nginx'])
}

/** Bodies stay in memory, answers are passed on as they come: what the other subjects do, too. */
const configOf = (folder: string, port: number, upstreamPort: number): string => `
daemon off;
worker_processes 1;
error_log stderr notice;
pid ${folder}/nginx.pid;
events { worker_connections 8192; multi_accept on; }
http {
  access_log off;
  ${TEMP_KINDS.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  keepalive_requests 1000000000;
  keepalive_timeout 300;
  client_max_body_size 64m;
  client_body_buffer_size 2m;
  tcp_nodelay on;
  upstream provider { server 127.0.0.1:${upstreamPort}; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer sk-upstream-0123456789abcdef0123456789abcdef";
      proxy_buffering off;
      proxy_read_timeout 600;
    }
  }
}
`
