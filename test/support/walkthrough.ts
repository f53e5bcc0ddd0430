// A document as a list of commands with what it says they print: code blocks ```console, with `$ ` before a command, `> `
// before its further lines, and the expected output below it. `…` in that stands for anything on its place. JSON is compared as
// values, so that a document may be formatted as it reads best. `# until X` behind a command: it is run again until
// its output is as expected, with a deadline. Of code blocks ```sh, what the reader's shell needs, functions of one line
// count.

export interface Step {
  readonly command: string;
  readonly expected: string;
  /** Run again until it prints what is expected. */
  readonly waits: boolean;
  /** Of the command in the document, from 1. */
  readonly line: number;
}

const UNTIL = /\s+# until .*$/;

/** The steps of a Markdown text, in order. */
export function stepsOf(markdown: string): readonly Step[] {
  const steps: { command: string; expected: string; line: number }[] = [];
  let inside = false;
  for (const [at, text] of markdown.split('\n').entries()) {
    if (text.startsWith('```')) {
      inside = text === '```console';
      continue;
    }
    if (!inside) continue;
    const step = steps.at(-1);
    if (text.startsWith('$ ')) steps.push({ command: text.slice(2), expected: '', line: at + 1 });
    else if (step === undefined) throw new Error(`line ${at + 1}: output before any command`);
    else if (text.startsWith('> ') && step.expected === '') step.command += `\n${text.slice(2)}`;
    else step.expected += `${text}\n`;
  }
  return steps.map((step) => ({
    ...step,
    command: step.command.replace(UNTIL, ''),
    waits: UNTIL.test(step.command),
  }));
}

/** The functions of one line each that a Markdown text defines. */
export function functionsOf(markdown: string): string {
  const blocks = markdown.matchAll(/^```sh\n(.*?)^```$/gms);
  const lines = [...blocks].flatMap(([, block = '']) => block.split('\n'));
  return lines.filter((line) => /^[a-z]+\(\) \{ .* \}$/.test(line)).join('\n');
}

/** Why `printed` is not what the document says; null when it is. */
export function difference(expected: string, printed: string): string | null {
  const [wanted, got] = [json(expected), json(printed)];
  if (wanted === undefined || got === undefined) {
    // Lines of HTTP end with CR LF; nobody sees that.
    const seen = printed.replaceAll('\r', '').trim();
    return fits(expected.trim(), seen) ? null : `expected\n${expected}\nprinted\n${printed}`;
  }
  return compare(wanted, got, '');
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fits(pattern: string, text: string): boolean {
  const parts = pattern.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.+')}$`, 's').test(text);
}

function compare(wanted: unknown, got: unknown, path: string): string | null {
  const differs = `${path || '/'}: expected ${JSON.stringify(wanted)}, printed ${JSON.stringify(got)}`;
  if (typeof wanted === 'string') return typeof got === 'string' && fits(wanted, got) ? null : differs;
  if (typeof wanted !== 'object' || wanted === null) return wanted === got ? null : differs;
  if (typeof got !== 'object' || got === null || Array.isArray(wanted) !== Array.isArray(got)) return differs;
  if (Object.keys(wanted).join() !== Object.keys(got).join()) return differs;
  for (const [key, value] of Object.entries(wanted)) {
    const found = compare(value, (got as Record<string, unknown>)[key], `${path}/${key}`);
    if (found !== null) return found;
  }
  return null;
}
