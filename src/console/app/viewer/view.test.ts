import { describe, expect, it } from 'vitest';
import { INITIAL } from './state.js';
import { veilText } from './view.js';

describe('what lies over the stage', () => {
  it('says that there is no network, and that it goes on by itself', () => {
    for (const phase of ['connecting', 'reconnecting'] as const) {
      const model = { state: { ...INITIAL, phase }, flowing: false };
      expect(veilText({ ...model, offline: true })).toMatchObject({ text: expect.stringMatching(/no network.*by itself/), soon: false });
      expect(veilText({ ...model, offline: false })).toMatchObject({ text: expect.stringMatching(/onnecting…/), soon: true });
    }
  });

  it('says nothing over a picture that still comes', () => {
    expect(veilText({ state: { ...INITIAL, phase: 'live' }, flowing: true, offline: true })).toBeNull();
  });
});
