// Runs one command to its end and keeps its output, which is shown only when the command fails.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: string;
}

export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const child = spawn(command, args, { cwd: options.cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => {
    // The command ended without reading its input; its exit code tells what happened.
  });
  child.stdin.end(options.input ?? '');
  const code = await once(child, 'close').then(
    ([status]: unknown[]) => status,
    (error: unknown) => {
      throw new Error(`cannot run ${command}`, { cause: error });
    },
  );
  if (code !== 0) {
    const tail = `${out}\n${err}`.trim().split('\n').slice(-25).join('\n');
    throw new Error(`${command} ${args.slice(0, 4).join(' ')} ... failed (${String(code)}):\n${tail}`);
  }
  return out;
}
