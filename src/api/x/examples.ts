// Examples of X's requests and answers for the API's description, by the name of the schema; test/golden/x has the
// same ones as requests that are sent.

const WEBHOOK_ID = '1146654567674912769';
const JOB_ID = '1915510368169844736';
const JOB = { created_at: '2025-04-24T20:57:15.242Z', job_id: JOB_ID };

const shownWebhook = {
  id: WEBHOOK_ID,
  url: 'https://customer.example/hook',
  valid: true,
  created_at: '2025-04-24T20:50:01Z',
};

export const X_EXAMPLES: Readonly<Record<string, unknown>> = {
  XReplayRequest: { webhook_id: WEBHOOK_ID, from_date: '202504242000', to_date: '202504242200' },
  XJobWholeSeconds: { job_id: JOB_ID, created_at: '2025-04-24T20:57:15Z' },
  XJob: JOB,
  XJobEnvelope: { data: JOB },
  XWebhookList: [shownWebhook],
  XWebhookWithSecret: { ...shownWebhook, valid: false, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
};
