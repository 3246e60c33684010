/**
 * Lets a server of Node's answer plain requests without its own reader and writer of HTTP, which were half of what such
 * a request cost there (decision 21). All else stays Node's.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Roster } from '#contracts/roster.ts'
import { PlainConnection, type ConnectionPorts, type Handler } from './connection.ts'

export type PlainOptions = Readonly<{
  /** By the whole address of a POST. */
  handlers: ReadonlyMap<string, Handler>
  /** How often it is looked after how long the server waits for requests, in milliseconds. */
  checkMs: number
  refuse: ConnectionPorts['refuse']
}>

/** @returns stops it: what is answered from now on is the last on its connection. */
export function servePlainly(server: Server, options: PlainOptions): () => void {
  const connections = new Roster<PlainConnection>()
  const { handlers, checkMs, refuse } = options
  const nodes = server.listeners('connection')
  let isStopping = false
  let closing: string | null = null
  const closingLines = (): string => {
    const kept = isStopping
      ? 'close'
      : `keep-alive\r\nkeep-alive: timeout=${Math.floor(server.keepAliveTimeout / 1_000)}`
    return (closing ??= `date: ${new Date().toUTCString()}\r\nconnection: ${kept}\r\n`)
  }
  const ports: ConnectionPorts = {
    handlerOf: (path) => handlers.get(path),
    closing: closingLines,
    isStopping: () => isStopping,
    onGone: (connection) => connections.remove(connection),
    handOver: (socket) => {
      for (const listener of nodes) Reflect.apply(listener, server, [socket])
    },
    refuse,
  }
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => connections.add(new PlainConnection(socket, ports)))

  // As Node has it: none is no limit.
  const looks = (ms: number): number => (ms > 0 ? Math.ceil(ms / checkMs) : Infinity)
  const timer = setInterval(() => {
    closing = null
    const { headersTimeout, requestTimeout, keepAliveTimeout } = server
    const patience = {
      first: looks(headersTimeout),
      request: looks(requestTimeout),
      idle: looks(keepAliveTimeout > 0 ? keepAliveTimeout + marginOf(server) : 0),
    }
    for (const connection of connections.members) connection.look(patience)
  }, checkMs).unref()
  server.on('close', () => clearInterval(timer))
  closeWith(server, connections)
  return () => {
    isStopping = true
    closing = null
  }
}

/** How much longer than clients are told a connection is kept, in milliseconds. Node has none before 24.6. */
const marginOf = ({ keepAliveTimeoutBuffer = 0 }: Partial<Pick<Server, 'keepAliveTimeoutBuffer'>>): number =>
  keepAliveTimeoutBuffer

/** Whoever closes connections of the server closes these with them. */
function closeWith(server: Server, connections: Roster<PlainConnection>): void {
  const closeIdle = server.closeIdleConnections.bind(server)
  const closeAll = server.closeAllConnections.bind(server)
  server.closeIdleConnections = () => {
    for (const connection of connections.members) if (connection.isIdle) connection.socket.destroy()
    closeIdle()
  }
  server.closeAllConnections = () => {
    for (const connection of connections.members) connection.socket.destroy()
    closeAll()
  }
}
