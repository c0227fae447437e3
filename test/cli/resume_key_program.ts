import { openResumeTokens } from "../../src/cli/resume_key.ts";

/** Opens the key in `argv[2]`, and prints a token that it signs. */
const tokens = await openResumeTokens(process.argv[2] ?? "");
const token = await tokens.issue({
  tunnel: "0123456789abcdef0123456789abcdef",
  role: "agent",
  subject: "/CN=x",
  device: 7,
  service: "ssh",
  operator: "ana",
  operator_subject: "/CN=ana",
});
process.stdout.write(`${token}\n`);
