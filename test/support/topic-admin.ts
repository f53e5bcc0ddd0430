// What an operator can do to a topic while replays read it: delete it, create it again, change its settings and
// its partitions, take the right to read it away, and damage what a broker has on its disk.

import { open, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import type { AclFilter, Admin } from 'kafkajs';
import { repriseDir } from '../../scripts/stack/paths.ts';
import { readState } from '../../scripts/stack/state.ts';
import { siteDir } from '../../scripts/stack/servers.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ConfigResourceTypes, ResourcePatternTypes } =
  kafkajs;
const DEADLINE_MS = 10_000;

export class TopicAdmin {
  readonly #admin: Admin;
  readonly #brokers: string;

  private constructor(admin: Admin, brokers: string) {
    this.#admin = admin;
    this.#brokers = brokers;
  }

  static async open(brokers: string): Promise<TopicAdmin> {
    const client = new kafkajs.Kafka({
      clientId: 'reprise-topic-admin',
      brokers: brokers.split(','),
      logLevel: kafkajs.logLevel.NOTHING,
      connectionTimeout: 10_000,
      retry: { retries: 0 },
    });
    const admin = client.admin();
    await admin.connect();
    return new TopicAdmin(admin, brokers);
  }

  /** Resolves when the broker does not know the topic any more. */
  async remove(topic: string): Promise<void> {
    await this.#admin.deleteTopics({ topics: [topic] });
    await until(`topic ${topic} is gone`, async () => !(await this.#admin.listTopics()).includes(topic));
  }

  async create(topic: string, numPartitions: number): Promise<void> {
    await until(`topic ${topic} is created`, () =>
      this.#admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions }] }),
    );
    await this.#led(topic, numPartitions);
  }

  async addPartitions(topic: string, count: number): Promise<void> {
    await this.#admin.createPartitions({ topicPartitions: [{ topic, count }] });
    await this.#led(topic, count);
  }

  /** Waits until the partition ends at `offset`: the ends of transactions are written behind their answers. */
  untilEnds(topic: string, partition: number, offset: number): Promise<void> {
    return until(`${topic}/${partition} ends at ${offset}`, async () => {
      const found = await this.#admin.fetchTopicOffsets(topic);
      return found.find((place) => place.partition === partition)?.high === String(offset);
    });
  }

  /** Which broker leads a partition (-1: none does), and which have all of it; by their numbers. */
  async placeOf(topic: string, partition: number): Promise<{ leader: number; inSync: readonly number[] }> {
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
    const found = topics[0]?.partitions.find(({ partitionId }) => partitionId === partition);
    if (!found) throw new Error(`there is no ${topic}/${partition}`);
    return { leader: found.leader, inSync: found.isr };
  }

  async set(topic: string, name: string, value: string): Promise<void> {
    const configEntries = [{ name, value }];
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }];
    await this.#admin.alterConfigs({ validateOnly: false, resources });
  }

  /** Everything but reading stays allowed: who has no word about a topic that has rules may do nothing. */
  async denyReading(topic: string): Promise<void> {
    const resource = {
      principal: 'User:ANONYMOUS',
      host: '*',
      resourceType: AclResourceTypes.TOPIC,
      resourceName: topic,
      resourcePatternType: ResourcePatternTypes.LITERAL,
    };
    const all = { operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW };
    const read = { operation: AclOperationTypes.READ, permissionType: AclPermissionTypes.DENY };
    const rules = [all, read].map((rule) => ({ ...resource, ...rule }));
    await this.#admin.createAcls({ acl: rules });
    await until(`the broker knows the rules of ${topic}`, async () => {
      const { resources } = await this.#admin.describeAcls(rulesOf(topic));
      return resources.flatMap(({ acls }) => acls).length === rules.length;
    });
  }

  async allowReading(topic: string): Promise<void> {
    await this.#admin.deleteAcls({ filters: [rulesOf(topic)] });
  }

  /**
   * Changes one bit of the last byte of the batch that begins at `offset`, in the file of the living broker: it
   * sends its files as they are.
   */
  async damage(topic: string, partition: number, offset: number): Promise<void> {
    const place = join(await this.#dataDir(), `${topic}-${partition}`, `${'0'.repeat(20)}.log`);
    const segment = await readFile(place);
    for (let at = 0; at + 12 <= segment.length;) {
      const endAt = at + 12 + segment.readInt32BE(at + 8);
      if (Number(segment.readBigInt64BE(at)) === offset) {
        const file = await open(place, 'r+');
        try {
          await file.write(Buffer.from([segment.readUInt8(endAt - 1) ^ 1]), 0, 1, endAt - 1);
        } finally {
          await file.close();
        }
        return;
      }
      at = endAt;
    }
    throw new Error(`no batch begins at offset ${offset} in ${place}`);
  }

  close(): Promise<void> {
    return this.#admin.disconnect();
  }

  /** Where the broker keeps its partitions: it is one of this repository's stacks. */
  async #dataDir(): Promise<string> {
    for (const name of await readdir(repriseDir)) {
      const dir = join(repriseDir, name);
      const site = readState(dir)?.sites.find(({ port }) => this.#brokers === `127.0.0.1:${port}`);
      if (site) return join(siteDir(dir, site.name), 'data');
    }
    throw new Error(`no stack has a broker at ${this.#brokers}`);
  }

  #led(topic: string, count: number): Promise<void> {
    return until(`the ${count} partitions of ${topic} have leaders`, async () => {
      const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
      const partitions = topics.flatMap((found) => found.partitions);
      return partitions.length === count && partitions.every(({ leader }) => leader >= 0);
    });
  }
}

function rulesOf(topic: string): AclFilter {
  return {
    resourceType: AclResourceTypes.TOPIC,
    resourceName: topic,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    operation: AclOperationTypes.ANY,
    permissionType: AclPermissionTypes.ANY,
  };
}

/** Asks until the answer is yes; an error counts as no. */
async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const told: unknown = await ask().catch((error: unknown) => error);
    if (told === true) return;
    if (performance.now() > deadline) throw new Error(`still not: ${what} (${String(told)})`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
