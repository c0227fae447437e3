import type { GatewayConfig } from "../gateway/config.ts";
import { Downloads } from "../gateway/downloads.ts";
import { DownloadDir } from "../runtime/download_dir.ts";

/** Returns what a gateway hands out, or undefined if that is nothing. */
export function downloadsOf(
  { downloadsDir, publicUrl }: GatewayConfig,
): Downloads | undefined {
  if (downloadsDir === undefined) return undefined;
  const dir = new DownloadDir(downloadsDir);
  return new Downloads({
    open: dir.open.bind(dir),
    readText: dir.readText.bind(dir),
    // What a browser or curl calls what is wss: to us.
    publicUrl: publicUrl?.replace(/^ws/, "http"),
  });
}
