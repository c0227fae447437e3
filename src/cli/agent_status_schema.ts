import * as z from "zod/mini";

/** What `status --json` prints; the keys are stable. */
export const agentStatusSchema = z.object({
  version: z.string(),
  commit: z.string(),
  pid: z.int(),
  /** Null while nobody has said which device this is. */
  device_id: z.nullable(z.int()),
  name: z.nullable(z.string()),
  /** `waiting`: for migasfree to tell what agent.toml leaves out. */
  link: z.enum(["waiting", "connecting", "online", "stopped"]),
  since: z.string(),
  gateway: z.nullable(z.string()),
  /** What is spoken there; null until it was online for the first time. */
  protocol: z.nullable(z.int()),
  last_fault: z.nullable(z.object({ code: z.string(), message: z.string() })),
  services: z.array(z.object({
    name: z.string(),
    address: z.string(),
    state: z.enum(["open", "closed", "unknown"]),
  })),
  tunnels: z.array(z.object({
    id: z.string(),
    service: z.string(),
    operator: z.string(),
    since: z.string(),
    /** Since when it has no link, and is coming back; null: it has one. */
    detached_since: z.nullable(z.string()),
  })),
  /** Links that tunnels lost, since the agent began. */
  detaches: z.object({
    resumed: z.int(),
    replayed_bytes: z.int(),
    expired: z.int(),
  }),
});
export type AgentStatus = z.infer<typeof agentStatusSchema>;
