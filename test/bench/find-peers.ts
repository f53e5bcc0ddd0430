// The peers of a bench that this machine can have; one that it cannot is told, with the reason, and left out.

import { messageOf } from '../../src/domain/errors.ts';

export async function findAll<Peer extends { readonly id: string }>(
  finders: Readonly<Record<string, () => Promise<Omit<Peer, 'id'>>>>,
  ids: readonly string[],
  say: (line: string) => void,
): Promise<(Omit<Peer, 'id'> & { readonly id: string })[]> {
  const found: (Omit<Peer, 'id'> & { readonly id: string })[] = [];
  for (const [id, find] of Object.entries(finders)) {
    if (!ids.includes(id)) continue;
    try {
      found.push({ ...(await find()), id });
    } catch (error) {
      say(`**${id} is left out: this machine cannot have it** (${messageOf(error).split('\n')[0] ?? ''})`);
    }
  }
  return found;
}
