// Routes of replay groups: ask for one, list, look, list its replays, steer all of them. A request is stored whole before
// it is answered; making and steering its replays goes on behind the answer where it does not fit into it, on any
// instance (domain/group.ts), so an answer shows how far that is.

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { RepriseError, type InputFault } from '../domain/errors.ts';
import { MAX_GROUP } from '../domain/group.ts';
import type { GroupRequest, GroupRequestRefusal, GroupVerb, GroupView } from '../domain/group.ts';
import { asGroupId, asWebhookId, isId, type GroupId, type TenantId } from '../domain/ids.ts';
import { principalOf } from './access.ts';
import { pageOf, replay } from './answers.ts';
import { linked, pageAnswer, pageRequest } from './cursor.ts';
import { group, groupDraft, groupSummary, showGroup, showGroupSummary } from './group-answers.ts';
import type { GroupDraft } from './group-answers.ts';
import { idempotency } from './idempotency.ts';
import { fails, OPTIONAL_BODY, sends } from './operation.ts';
import { rangeSpec, type ReplayRoutes } from './replays.ts';
import { idParams, pageQuery, steeringReason } from './requests.ts';
import { allowBarePost } from './validation.ts';
import { showReplay } from './views.ts';

const LIST = 'replay-groups';
const TAGS = { tags: ['replay groups'] };
/** The most ids, with quotes and commas, and room for the rest. */
const BODY_LIMIT_BYTES = 512 * 1024;
/** How long an answer waits for replays to be made or steered; what is left then goes on behind it. */
const ANSWER_MS = 1_000;
/** Faults that an answer names. */
const FAULTS = 20;

const VERBS: readonly (readonly [GroupVerb, string])[] = [
  ['pause', 'Pause every replay of a group; no more of them are made until it is resumed'],
  ['resume', 'Resume every paused replay of a group'],
  ['cancel', 'End every replay of a group for good; those not made yet are not made'],
];

export function groupRoutes(options: ReplayRoutes): FastifyPluginAsyncTypebox {
  return async (app) => {
    await app.register(requestRoute(options));
    await app.register(readRoutes(options));
    await app.register(steeringRoutes(options));
  };
}

const created = {
  status: 202,
  location: ({ id }: GroupView) => `/v1/replay-groups/${id}`,
  show: showGroup,
};

function requestRoute(options: ReplayRoutes): FastifyPluginAsyncTypebox {
  const { store, emit, maxRate } = options;
  const { headers, preHandler, once } = idempotency(options);
  return async (app) => {
    const schema = {
      ...TAGS,
      operationId: 'requestReplayGroup',
      summary: 'Replay the same time range of many webhooks',
      description:
        'A repeat with the same Idempotency-Key shows the group as it was stored, before any of its replays was made.',
      headers,
      body: groupDraft(maxRate),
      response: { 202: group },
      ...fails('invalid_range', 'idempotency_in_progress', 'idempotency_mismatch'),
      ...sends('location', 'idempotency-replayed'),
    };
    app.post('', { preHandler, schema, bodyLimit: BODY_LIMIT_BYTES }, async (request, reply) => {
      const { tenant, name } = principalOf(request);
      const webhookIds = webhooksOf(request.body);
      const { groupId: _none, ...spec } = rangeSpec(request.body, await store.nowMs(), options);
      const kept = once(request, reply, created);
      const made = await store.groups.request(tenant, { webhookIds, spec, by: name }, kept);
      if ('why' in made) throw refused(made, request.body);
      const { id, webhooks } = made;
      emit('group.requested', { groupId: id, webhooks });
      await work(options, id);
      return reply
        .code(202)
        .header('location', created.location(made))
        .send(await shown(options, tenant, id));
    });
    return Promise.resolve();
  };
}

function readRoutes(options: ReplayRoutes): FastifyPluginAsyncTypebox {
  const { groups } = options.store;
  return async (app) => {
    const list = {
      ...TAGS,
      operationId: 'listReplayGroups',
      summary: 'List replay groups, newest first',
      querystring: pageQuery,
      ...sends('link'),
    };
    app.get('', { schema: { ...list, response: { 200: pageOf(groupSummary) } } }, async (request, reply) => {
      const page = await groups.groups(principalOf(request).tenant, pageRequest(LIST, request.query));
      return linked(request, reply, pageAnswer(LIST, page, showGroupSummary));
    });

    const look = {
      ...TAGS,
      operationId: 'getReplayGroup',
      summary: 'Look at a replay group',
      params: idParams,
    };
    app.get('/:id', { schema: { ...look, response: { 200: group } } }, (request) =>
      shown(options, principalOf(request).tenant, groupIdOf(request)),
    );

    const replays = {
      ...TAGS,
      operationId: 'listReplaysOfGroup',
      summary: 'List the replays of a group, newest first',
      params: idParams,
      querystring: pageQuery,
      ...sends('link'),
    };
    app.get(
      '/:id/replays',
      { schema: { ...replays, response: { 200: pageOf(replay) } } },
      async (request, reply) => {
        const id = groupIdOf(request);
        const name = `group/${id}`;
        const wanted = pageRequest(name, request.query);
        const page = await groups.replaysOf(principalOf(request).tenant, id, wanted);
        const shownJobs = pageAnswer(name, page ?? noGroup(), (job) => showReplay(job, options));
        return linked(request, reply, shownJobs);
      },
    );
    return Promise.resolve();
  };
}

function steeringRoutes(options: ReplayRoutes): FastifyPluginAsyncTypebox {
  const { store, emit } = options;
  return async (app) => {
    // A reason is welcome, not required.
    app.addHook('preValidation', allowBarePost);
    for (const [verb, summary] of VERBS) {
      const schema = {
        ...TAGS,
        operationId: `${verb}ReplayGroup`,
        summary,
        params: idParams,
        body: steeringReason,
        ...OPTIONAL_BODY,
        response: { 202: group },
      };
      app.post(`/:id/${verb}`, { schema }, async (request, reply) => {
        const { tenant, name } = principalOf(request);
        const id = groupIdOf(request);
        const who = { by: name, why: request.body.reason ?? '' };
        if ((await store.groups.steer(tenant, id, verb, who)) === 'unknown_group') noGroup();
        emit('group.steered', { groupId: id, verb });
        await work(options, id);
        return reply.code(202).send(await shown(options, tenant, id));
      });
    }
    return Promise.resolve();
  };
}

/** Begins at once; if it fails, what is stored is gone on with all the same. */
async function work(
  { store, emit, onReplayRequested }: Pick<ReplayRoutes, 'store' | 'emit' | 'onReplayRequested'>,
  id: GroupId,
): Promise<void> {
  try {
    const done = await store.groups.workOn(id, ANSWER_MS);
    for (const { jobId, webhookId } of done?.made ?? []) emit('job.requested', { jobId, webhookId });
    if (done) emit('group.worked', countsOf(done));
  } catch {
    // The store has said what is wrong with the database; the next look of any instance goes on.
  } finally {
    onReplayRequested();
  }
}

const countsOf = ({
  groupId,
  made,
  refused,
  steered,
}: {
  groupId: string;
  made: readonly unknown[];
  refused: number;
  steered: number;
}) => ({ groupId, made: made.length, refused, steered });

async function shown({ store }: Pick<ReplayRoutes, 'store'>, tenant: TenantId, id: GroupId) {
  return showGroup((await store.groups.group(tenant, id)) ?? noGroup());
}

function webhooksOf({ webhookIds, all }: GroupDraft): GroupRequest['webhookIds'] {
  if ((webhookIds === undefined) === (all === undefined)) {
    const detail = 'exactly one of webhookIds and all says which webhooks are meant';
    throw invalid([{ pointer: '/webhookIds', detail }]);
  }
  if (webhookIds === undefined) return 'all';
  const strange = webhookIds.filter((id) => !isId(id));
  if (strange.length > 0) throw invalid(faultsOf(webhookIds, new Set(strange)));
  return [...new Set(webhookIds)].map(asWebhookId);
}

function refused(refusal: GroupRequestRefusal, { webhookIds = [] }: GroupDraft): RepriseError {
  if (refusal.why === 'no_webhooks') return invalid([{ pointer: '/all', detail: 'there is no webhook' }]);
  if (refusal.why === 'too_many_webhooks') {
    const detail = `there are more than ${MAX_GROUP} webhooks; name those that are meant, in several groups`;
    return invalid([{ pointer: '/all', detail }]);
  }
  const unknown = refusal.why === 'unknown_webhooks' ? refusal.ids : [];
  return invalid(faultsOf(webhookIds, new Set<string>(unknown)));
}

const faultsOf = (webhookIds: readonly string[], unknown: ReadonlySet<string>): InputFault[] =>
  webhookIds
    .flatMap((id, at) =>
      unknown.has(id)
        ? [{ pointer: `/webhookIds/${at}`, detail: 'no webhook has this id; GET /v1/webhooks lists yours' }]
        : [],
    )
    .slice(0, FAULTS);

const invalid = (faults: readonly InputFault[]): RepriseError =>
  new RepriseError('invalid_request', 'The group cannot be made of these webhooks; see errors.', { faults });

function groupIdOf(request: FastifyRequest<{ Params: { id: string } }>): GroupId {
  return isId(request.params.id) ? asGroupId(request.params.id) : noGroup();
}

function noGroup(): never {
  throw new RepriseError('not_found', 'No replay group has this id; GET /v1/replay-groups lists yours.');
}
