// Interim: replaced by the real one.
export function runViewer(..._: unknown[]): never {
  throw new Error("not there yet");
}
