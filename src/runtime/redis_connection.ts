import { RedisClient } from "bun";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { errorCode } from "./files.ts";
import { bunClock } from "./bun_clock.ts";

/** A server that has not answered by then counts as away. */
const ANSWER_TIMEOUT_MS = 2_000;

/** Commands that may wait for an answer at once. Ours to choose. */
const PENDING_MAX_COUNT = 8_192;

/** How long to wait before another attempt to connect: jittered, doubling. */
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 3_000;

/** The server itself says why not; all else is the path to it. */
const SAID_BY_SERVER = "ERR_REDIS_SERVER_ERROR";

/** What the owner of a connection wants to hear. */
export interface RedisHandlers {
  /** It stands: commands will be answered. */
  readonly connected: () => void;
  /** It was lost, or could not be made. Told once until it stands again. */
  readonly lost: (fault: Fault) => void;
  /** Somebody has published `text` on the channel that we hear. */
  readonly heard: (text: string) => void;
}

/** Two connections that stand and fall together: a subscriber can ask nothing. */
interface Session {
  readonly client: RedisClient;
  readonly subscriber: RedisClient;
  readonly over: Promise<void>;
}

/**
 * The connection to a Redis server, made again whenever it is lost.
 *
 * Bun's client would queue commands without a limit and wait without an end
 * while the server is away: here, each is refused at once or within
 * ANSWER_TIMEOUT_MS.
 */
export class RedisConnection {
  readonly #url: string;
  #session: Session | undefined;
  #pendingCount = 0;

  /** @param url `redis[s]://[[user]:password@]host:port[/database]`. */
  constructor(url: string) {
    this.#url = url;
  }

  /** Whether there is a connection. */
  get isUp(): boolean {
    return this.#session !== undefined;
  }

  /** Keeps the connection up until `signal` aborts. @throws `signal.reason` */
  async run(
    channel: string,
    handlers: RedisHandlers,
    signal: AbortSignal,
  ): Promise<never> {
    let isTold = false;
    for (let attempt = 0;; attempt++) {
      let fault: Fault;
      try {
        const session = await this.#open(channel, handlers, signal);
        attempt = 0;
        isTold = false;
        fault = await this.#serve(session, handlers, signal);
      } catch (error) {
        fault = Fault.from(error);
      }
      signal.throwIfAborted();
      if (!isTold) handlers.lost(fault);
      isTold = true;
      const capMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** attempt);
      await bunClock.sleep(capMs * (0.5 + Math.random() / 2), signal);
    }
  }

  /**
   * Connects, works, and leaves again: for a command that runs once.
   *
   * @throws {Fault} `gatewayRefused`.
   */
  async once<T>(work: () => Promise<T>): Promise<T> {
    const never = new AbortController().signal;
    const silent = {
      connected: () => undefined,
      lost: () => undefined,
      heard: () => undefined,
    };
    const session = await this.#open(undefined, silent, never);
    this.#session = session;
    try {
      return await work();
    } finally {
      this.#session = undefined;
      close(session);
    }
  }

  /** Asks the server. @throws {Fault} `gatewayRefused` if it does not answer. */
  async command(name: string, args: readonly string[]): Promise<unknown> {
    const session = this.#session;
    if (!session) throw away("it does not answer");
    if (this.#pendingCount >= PENDING_MAX_COUNT) {
      throw away(`${PENDING_MAX_COUNT} questions wait for it`);
    }
    this.#pendingCount++;
    try {
      return await answered(session.client, name, args);
    } catch (error) {
      if (errorCode(error) === SAID_BY_SERVER) throw said(error);
      // Answers come in order: after one that is missing, none can be told.
      close(session);
      throw error instanceof Fault ? error : away("the connection broke off");
    } finally {
      this.#pendingCount--;
    }
  }

  /** Runs a Lua script, alone. @throws {Fault} As {@linkcode command}. */
  async script(
    source: string,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<unknown> {
    const count = String(keys.length);
    return await this.command("EVAL", [source, count, ...keys, ...args]);
  }

  async #open(
    channel: string | undefined,
    handlers: RedisHandlers,
    signal: AbortSignal,
  ): Promise<Session> {
    signal.throwIfAborted();
    const over = Promise.withResolvers<void>();
    const [client, subscriber] = [newClient(this.#url), newClient(this.#url)];
    client.onclose = subscriber.onclose = () => over.resolve();
    const session = { client, subscriber, over: over.promise };
    try {
      const both = [client, subscriber].map((one) => one.connect());
      await inTime(Promise.all(both));
      await answered(client, "PING", []);
      if (channel !== undefined) {
        await inTime(subscriber.subscribe(channel, handlers.heard));
      }
      // Nobody would hear of it later.
      signal.throwIfAborted();
      return session;
    } catch (error) {
      close(session);
      if (errorCode(error) === SAID_BY_SERVER) throw said(error);
      const { host } = new URL(this.#url);
      throw away(`no connection to ${host}, or it wants a password`, error);
    }
  }

  async #serve(
    session: Session,
    handlers: RedisHandlers,
    signal: AbortSignal,
  ): Promise<Fault> {
    const stop = () => close(session);
    signal.addEventListener("abort", stop, { once: true });
    this.#session = session;
    handlers.connected();
    await session.over;
    this.#session = undefined;
    signal.removeEventListener("abort", stop);
    close(session);
    return away("the connection broke off");
  }
}

function newClient(url: string): RedisClient {
  return new RedisClient(url, {
    connectionTimeout: ANSWER_TIMEOUT_MS,
    autoReconnect: false,
    enableOfflineQueue: false,
  });
}

function close(session: Session): void {
  session.client.close();
  session.subscriber.close();
}

async function answered(
  client: RedisClient,
  name: string,
  args: readonly string[],
): Promise<unknown> {
  return await inTime(client.send(name, [...args]));
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(away(`no answer in ${ANSWER_TIMEOUT_MS / 1000} s`)),
    ANSWER_TIMEOUT_MS,
  );
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function said(error: unknown): Fault {
  const text = plainText(String(Object(error)["message"]), 200);
  return away(`it says ${text}`, error);
}

function away(why: string, cause?: unknown): Fault {
  return new Fault("gatewayRefused", `Cannot ask Redis: ${why}`, {
    hint: "Check that Redis runs, and url and password in [redis]",
    cause,
  });
}
