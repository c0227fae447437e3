import { openResumeKey } from "../../src/cli/resume_key.ts";
import { ResumeTokens } from "../../src/protocol/resume_token.ts";

/** Opens the key in `argv[2]`, and prints a token that it signs. */
const secret = await openResumeKey(process.argv[2] ?? "");
const tokens = await ResumeTokens.create(secret);
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
