// The small pieces that request and answer schemas are made of. Descriptions complete the sentence
// "allowed: ..." in problem documents and are the text of the OpenAPI document.

import { Type } from 'typebox';

export const text = (description: string) => Type.String({ description });
export const instant = (description: string) => Type.String({ format: 'date-time', description });
export const maybeText = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description });
export const maybeInteger = (description: string, limits: object = {}) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], description, ...limits });
export const id = Type.String({ description: 'a decimal id below 2^63', examples: ['882705129484288003'] });
