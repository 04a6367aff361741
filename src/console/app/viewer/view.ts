import { html, nothing, type TemplateResult } from 'lit';
import { countdown, exactClock, leftMs } from '../time/format.js';
import { causeInWords, nextInWords, refusalNextInWords, warningInWords } from '../words.js';
import type { ViewerState } from './state.js';
import type { Reading } from './stats.js';
import { statistics } from './statistics.js';

/** All that the viewer's picture of itself is drawn from. */
export interface ViewModel {
  state: ViewerState;
  /** The device says that it has no network. */
  offline: boolean;
  /** Frames are being shown right now. */
  flowing: boolean;
  latencyMs: number | null;
  /** Unix milliseconds by the server's clock. */
  now: number;
  /** When the session begins, for those who wait in front of it. */
  startsAt: number | null;
  /** When the last change of the end was told, by the same clock. */
  changedAt: number | null;
  /** The cameras' names, in the robot's order. */
  names: readonly string[];
  /** The camera shown large; null for all beside each other. */
  main: number | null;
  choose: (camera: number | null) => void;
  sound: 'none' | 'muted' | 'on';
  toggleSound: () => void;
  reading: Reading | null;
  detailed: boolean;
  toggleDetails: (open: boolean) => void;
  toggleFullscreen: () => void;
}

type Tone = 'good' | 'busy' | 'bad';

export function stage(model: ViewModel): TemplateResult {
  const { state } = model;
  const over = state.phase === 'ended' || state.phase === 'refused' || state.phase === 'closing';
  return html`
    <div class="stage" data-phase=${state.phase}>
      ${pictures(model, over)}
      ${over ? ending(state) : veil(model)}
      <div class="banners">${over ? nothing : banners(model)}</div>
    </div>
  `;
}

/** One picture for each camera; of several, each can be made the large one. */
function pictures({ names, main, choose }: ViewModel, over: boolean): TemplateResult {
  const several = names.length > 1;
  return html`
    <div class="cameras" ?hidden=${over} data-layout=${several && main === null ? 'grid' : 'one'}>
      ${names.map((name, camera) => {
        const said = name === '' ? "Robot's camera" : `Camera ${name}`;
        return html`
          <div class="camera" ?data-main=${camera === main}>
            <video .muted=${true} muted autoplay playsinline disablepictureinpicture ?hidden=${over} aria-label=${said}></video>
            ${several
              ? html`<button type="button" class="name" aria-pressed=${camera === main ? 'true' : 'false'} @click=${() => choose(camera)}>${name}</button>`
              : nothing}
          </div>
        `;
      })}
    </div>
    <audio hidden></audio>
  `;
}

/** How the connection does, for those who want to know. */
export function details(model: ViewModel): TemplateResult {
  const toggle = (event: Event) => {
    const { open } = event.currentTarget as HTMLDetailsElement;
    if (open !== model.detailed) model.toggleDetails(open);
  };
  return html`
    <details class="details" ?open=${model.detailed} @toggle=${toggle}>
      <summary>Connection details</summary>
      ${model.detailed ? statistics(model.names, model.reading, model.latencyMs) : nothing}
    </details>
  `;
}

function sounds({ sound, toggleSound }: ViewModel) {
  if (sound === 'none') return nothing;
  return html`<button type="button" aria-pressed=${sound === 'on' ? 'true' : 'false'} @click=${toggleSound}>${sound === 'on' ? 'Mute' : 'Unmute'}</button>`;
}

export function strip(model: ViewModel): TemplateResult {
  const { state } = model;
  const { label, left } = timed(model);
  const connection = connectionInWords(model);
  const urgent = left !== null && left <= 60_000 && state.phase !== 'waiting';
  return html`
    <div class="strip">
      <div class="fact time" ?data-urgent=${urgent}>
        <span class="label">${label}</span>
        <span class="countdown" role="timer" aria-label=${label}>${left === null ? '–:––' : countdown(left)}</span>
      </div>
      <div class="fact">
        <span class="label">Connection</span>
        <span class="value" data-tone=${connection.tone}><i class="dot" aria-hidden="true"></i>${connection.text}</span>
      </div>
      <div class="fact" title="From the robot's clock in the picture to this screen, by the server's time">
        <span class="label">Latency</span>
        <span class="value">${model.latencyMs === null ? '–' : `${Math.max(0, Math.round(model.latencyMs))} ms`}</span>
      </div>
      <div class="fact">
        <span class="label">Ends at</span>
        <span class="value">${state.endsAt === null ? '–' : exactClock(state.endsAt)}</span>
      </div>
      <div class="company" role="status">
        ${state.watchedBy.length === 0
          ? nothing
          : html`<div class="fact"><span class="label">Also watching</span><span class="value">Administrator</span></div>`}
      </div>
      <div class="buttons">
        ${sounds(model)}
        ${model.names.length > 1
          ? html`<button type="button" aria-pressed=${model.main === null ? 'true' : 'false'} @click=${() => model.choose(model.main === null ? 0 : null)}>Side by side</button>`
          : nothing}
        <button type="button" @click=${model.toggleFullscreen}>Full screen</button>
      </div>
    </div>
  `;
}

/** What the large clock counts down to: whoever is early wants to know when it begins. */
function timed({ state, startsAt, now }: ViewModel): { label: string; left: number | null } {
  const left = (until: number | null) => (until === null ? null : leftMs(until, now));
  if (state.phase !== 'waiting') return { label: 'Time left', left: left(state.endsAt) };
  return startsAt === null ? { label: 'Session ends in', left: left(state.endsAt) } : { label: 'Begins in', left: left(startsAt) };
}

/** What lies over the stage while there is no picture to see. What may take hours does not turn as if it were nearly done. */
function veil(model: ViewModel): TemplateResult {
  const said = veilText(model);
  return html`
    <div class="veil" role="status" ?data-shown=${said !== null}>
      ${said === null ? nothing : html`${said.soon ? html`<i class="spinner" aria-hidden="true"></i>` : nothing}<p>${said.text}</p>`}
    </div>
  `;
}

export function veilText({ state, flowing, offline }: Pick<ViewModel, 'state' | 'flowing' | 'offline'>): { text: string; soon: boolean } | null {
  if (offline && (state.phase === 'connecting' || state.phase === 'reconnecting')) {
    return { text: 'This device has no network. It goes on by itself once there is one.', soon: false };
  }
  switch (state.phase) {
    case 'connecting':
      return { text: 'Connecting…', soon: true };
    case 'waiting':
      return { text: 'Your session has not begun yet. The picture appears here by itself.', soon: false };
    case 'reconnecting':
      return { text: 'Connection to the server lost. Reconnecting…', soon: true };
    default:
  }
  if (flowing) return null;
  if (state.robotAvailable) return { text: "Waiting for the robot's picture…", soon: true };
  return { text: 'The robot is offline. Its picture appears here when it is back.', soon: false };
}

/** Below the picture and not over it: now of all times people want to see what the robot does. */
export function alarm({ state }: ViewModel): TemplateResult {
  return html`
    <div role="alert">
      ${state.emergencyStop === null ? nothing : html`<p class="alarm"><strong>Emergency stop.</strong> ${state.emergencyStop}</p>`}
    </div>
    <div role="status" class="unseen">${state.stopIsOver ? 'The emergency stop is over.' : nothing}</div>
  `;
}

/** How long news lies over the picture before it gives the view back. */
const NEWS_MS = 12_000;

function banners({ state, now, changedAt }: ViewModel): TemplateResult {
  const left = state.endsAt === null ? 0 : leftMs(state.endsAt, now);
  const warned = state.warning !== null && left > 0 && state.warning * 1000 - left < NEWS_MS;
  const changed = state.change !== null && changedAt !== null && now - changedAt < NEWS_MS;
  return html`
    <div role="status">
      ${changed && state.change !== null ? html`<p class="banner">${changeInWords(state.change)}</p>` : nothing}
      ${warned ? html`<p class="banner warn">${warningInWords(state.warning ?? 0)}</p>` : nothing}
    </div>
  `;
}

function changeInWords({ endsAt, before, reason }: NonNullable<ViewerState['change']>): string {
  const what = before !== null && endsAt < before ? 'shortened' : 'extended';
  return `Session ${what}: it now ends at ${exactClock(endsAt)}.${reason === '' ? '' : ` ${reason}`}`;
}

/** What stands on the stage when nothing more will be shown. */
function ending(state: ViewerState): TemplateResult {
  if (state.phase === 'refused') {
    return html`
      <div class="ending" role="alert">
        <h2>You cannot watch this session</h2>
        <p>${state.refusal?.message}</p>
        <p class="next">${refusalNextInWords(state.refusal?.code ?? '')}</p>
      </div>
    `;
  }
  const { end } = state;
  return html`
    <div class="ending" role="alert">
      <h2>Session over</h2>
      ${end === null
        ? html`<p>The booked time is over.</p>`
        : html`
            <p class="cause">${causeInWords(end.cause, state.role)}</p>
            ${end.reason ? html`<blockquote>${end.reason}</blockquote>` : nothing}
            <p class="next">${nextInWords(end.cause, state.role)}</p>
            <p class="when">Ended at <time datetime=${new Date(end.endedAt).toISOString()}>${exactClock(end.endedAt)}</time></p>
          `}
    </div>
  `;
}

function connectionInWords({ state, flowing, offline }: ViewModel): { text: string; tone: Tone } {
  if (offline && (state.phase === 'connecting' || state.phase === 'reconnecting')) return { text: 'No network', tone: 'bad' };
  switch (state.phase) {
    case 'connecting':
      return { text: 'Connecting', tone: 'busy' };
    case 'waiting':
      return { text: 'Waiting', tone: 'busy' };
    case 'reconnecting':
      return { text: 'Reconnecting', tone: 'bad' };
    default:
  }
  if (flowing) return { text: 'Live', tone: 'good' };
  return state.robotAvailable ? { text: 'No picture yet', tone: 'busy' } : { text: 'Robot offline', tone: 'bad' };
}
