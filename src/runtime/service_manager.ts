import { plainText } from "../base/text.ts";
import { type NotifySend, openNotifySocket } from "./notify_socket.ts";

/** What a manager shows beside a service's name. Ours to choose. */
const STATUS_MAX_CHARS = 200;

/** systemd.service(5) asks to feed the watchdog twice within its time. */
const FEEDS_PER_TIME = 3;

type Environment = Record<string, string | undefined>;

/** Variables that are for this process and none that it starts. */
const OWN_VARIABLES = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/**
 * Whoever started this process as a service, systemd for one, and wants to
 * know how it goes: sd_notify(3). Where nobody does, all of it is nothing.
 */
export interface ServiceManager {
  /** How often {@linkcode feed} is expected; undefined: never. */
  readonly feedEveryMs: number | undefined;
  /** The service does its work from now on. Later calls: it has reloaded. */
  ready(status: string): void;
  /** Says in words how it goes. */
  status(text: string): void;
  /** The service reads its configuration again; `ready` says when it has. */
  reloading(): void;
  stopping(): void;
  /** The service is alive. Without it, the manager starts it anew. */
  feed(): void;
}

/**
 * Returns the manager that `env` tells of, and removes what it tells from
 * there: what this process starts is not the service.
 */
export function openServiceManager(
  env: Environment = process.env,
  pid: number = process.pid,
): ServiceManager {
  const { NOTIFY_SOCKET: socket, WATCHDOG_PID, WATCHDOG_USEC } = env;
  for (const name of OWN_VARIABLES) delete env[name];
  const send = socket === undefined ? undefined : openNotifySocket(socket);
  if (!send) return NOBODY;
  const isWatched = WATCHDOG_PID === undefined || WATCHDOG_PID === String(pid);
  const usec = isWatched ? Number(WATCHDOG_USEC ?? Number.NaN) : Number.NaN;
  const feedEveryMs = usec > 0 ? usec / 1_000 / FEEDS_PER_TIME : undefined;
  return new Systemd(send, feedEveryMs);
}

const NOBODY: ServiceManager = {
  feedEveryMs: undefined,
  ready: () => undefined,
  status: () => undefined,
  reloading: () => undefined,
  stopping: () => undefined,
  feed: () => undefined,
};

/** A message that is not taken is not sent again: the next one will be. */
class Systemd implements ServiceManager {
  readonly feedEveryMs: number | undefined;
  readonly #send: NotifySend;
  #status = "";

  constructor(send: NotifySend, feedEveryMs: number | undefined) {
    this.#send = send;
    this.feedEveryMs = feedEveryMs;
  }

  ready(status: string): void {
    this.#status = lineOf(status);
    this.#send(`READY=1\nSTATUS=${this.#status}`);
  }

  status(text: string): void {
    const line = lineOf(text);
    if (line === this.#status) return;
    if (this.#send(`STATUS=${line}`)) this.#status = line;
  }

  reloading(): void {
    this.#send("RELOADING=1");
  }

  stopping(): void {
    this.#send("STOPPING=1\nSTATUS=Stopping");
  }

  feed(): void {
    this.#send("WATCHDOG=1");
  }
}

/** A line feed would begin another message. */
function lineOf(text: string): string {
  return plainText(text, STATUS_MAX_CHARS);
}
