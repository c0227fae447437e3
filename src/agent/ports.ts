import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { WindowBudget } from "../stream/window_budget.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import type { Heartbeats } from "../transport/heartbeats.ts";
import type { Link } from "../transport/link.ts";
import type { Progress } from "../transport/progress.ts";
import type { CommandRunner } from "./command_runner.ts";

/** How long the tunnels of a service wait for a new link. */
interface Detachable {
  /** Undefined: as long as the gateway says. */
  readonly detachMs?: number | undefined;
}

/** Where a service listens: from the agent's own table, and nowhere else. */
export interface ServiceAddress extends Detachable {
  readonly host: string;
  readonly port: number;
}

/** For whom a service is opened, as it goes to the log. */
export interface ServiceCaller {
  readonly tunnelId: string;
  readonly operator: string;
}

/** A service of the agent itself: there is no port to connect to. */
export interface BuiltInService extends Detachable {
  readonly open: (caller: ServiceCaller) => ByteSocket | Promise<ByteSocket>;
}

/** What the name of a service stands for in the agent's own table. */
export type ServiceTarget = ServiceAddress | BuiltInService;

/** A handshake that an agent makes. */
export interface AgentDial {
  readonly url: string;
  /** Undefined: none is offered, which is how protocol 1 begins. */
  readonly subprotocol: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** What an agent needs of the machine. */
export interface AgentPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly heartbeats: Heartbeats;
  readonly budget: WindowBudget;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Dials with the certificate as it is on disk now. @throws {Fault} */
  readonly dial: (dial: AgentDial, signal: AbortSignal) => Promise<Link>;
  /** Where the gateway is: configured, or as the manager says. @throws {Fault} */
  readonly findGateway: (signal: AbortSignal) => Promise<string>;
  /** Connects to a local service. @throws {Fault} `serviceRefused`. */
  readonly dialService: (
    address: ServiceAddress,
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<ByteSocket>;
  /** The state of each local port, learned without connecting to it. */
  readonly portStates: (
    addresses: readonly ServiceAddress[],
  ) => Promise<("open" | "closed" | "unknown")[]>;
  /** Resolves when the certificate or key on disk has changed. */
  readonly identityChanged: (signal: AbortSignal) => Promise<void>;
  /** Whether the control link's loop turns, for whoever watches over it. */
  readonly progress?: Progress | undefined;
  /** Told after each change of what `Agent.state` shows. */
  readonly stateChanged?: (() => void) | undefined;
}

/** As `protocol` in agent.toml has it. */
export type ProtocolSetting = "auto" | "1" | "2";

/** Who an agent is and what it offers. */
export interface AgentSettings {
  readonly deviceId: number;
  readonly name: string;
  readonly services: ReadonlyMap<string, ServiceTarget>;
  /** What runs the commands that protocol 1 brings; undefined: nothing does. */
  readonly commands: CommandRunner | undefined;
  /** Which protocol is spoken; `auto`: what the gateway can. */
  readonly protocol: ProtocolSetting;
  readonly tunnelsMax: number;
  /** 128 random bits in hexadecimal, new with each start. */
  readonly instance: string;
  /** Our version, as it is told to the gateway. */
  readonly software: string;
}
