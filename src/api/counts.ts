// What a replay counts, as every answer and event describes it.

import { Type } from 'typebox';

export const count = (of: string) => Type.Integer({ description: of });

export const countFields = {
  scanned: count('records walked over, anybody’s'),
  matched: count('events of the webhook in the range, copies included'),
  duplicates: count('copies that were not delivered again'),
  filtered: count('events the request’s filters left out'),
  tombstones: count('records without a value: no events'),
  delivered: count('events answered with 2xx'),
  deadLettered: count('events given up on'),
  unanswered: count('attempts without an answer that were tried again'),
  maybeRepeated: count('repeats that were possible in fact: events sent since an owner was lost'),
  evicted: count('identities that dedupe had to forget'),
  unknownBelowCut: count('offsets that could not be read again when dedupe was rebuilt'),
  siteSwitches: count('times it went on at another site'),
};
