import { css } from 'lit';

export const viewerStyles = css`
  :host {
    --accent: var(--curfew-accent, #5b9dff);
    display: block;
    color: inherit;
    font: inherit;
    background: var(--curfew-surface, Canvas);
  }
  * {
    box-sizing: border-box;
  }
  p,
  h2,
  blockquote {
    margin: 0;
  }
  .viewer {
    display: flex;
    flex-direction: column;
    height: 100%;
  }
  .stage {
    position: relative;
    flex: 1;
    display: grid;
    place-items: center;
    min-height: min(56vw, 420px);
    background: #0a0c10;
    color: #f4f6f9;
    overflow: hidden;
  }
  .cameras {
    display: grid;
    gap: 0.375rem;
    width: 100%;
    grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr));
  }
  .cameras[data-layout='grid'] {
    grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  }
  .cameras[hidden],
  [hidden] {
    display: none;
  }
  .camera {
    position: relative;
  }
  .cameras[data-layout='one'] .camera:not([data-main]) {
    order: 1;
    max-width: 14rem;
  }
  .cameras[data-layout='one'] .camera[data-main] {
    grid-column: 1 / -1;
  }
  /* The small pictures of the others stay in sight below the large one. */
  .camera:not(:only-child) video {
    max-height: var(--curfew-picture-height, max(13rem, calc(100dvh - 28.5rem)));
  }
  video {
    display: block;
    width: 100%;
    max-height: var(--curfew-picture-height, max(15rem, calc(100dvh - 20.5rem)));
    aspect-ratio: 4 / 3;
    object-fit: contain;
  }
  video[hidden] {
    display: none;
  }
  .name {
    position: absolute;
    inset: auto auto 0.5rem 0.5rem;
    overflow: hidden;
    max-width: calc(100% - 1rem);
    text-overflow: ellipsis;
    white-space: nowrap;
    border-color: transparent;
    background: rgb(10 12 16 / 78%);
    color: #fff;
  }
  .name[aria-pressed='true'] {
    border-color: #fff;
  }
  :host(:fullscreen) video {
    max-height: none;
    height: 100%;
  }
  .veil {
    position: absolute;
    inset: 0;
    display: flex;
    flex-direction: column;
    gap: 1rem;
    align-items: center;
    justify-content: center;
    padding: 1.5rem;
    text-align: center;
    pointer-events: none;
    opacity: 0;
    transition: opacity 120ms;
  }
  .veil[data-shown] {
    opacity: 1;
    background: rgb(10 12 16 / 72%);
  }
  .veil p {
    max-width: 34ch;
    font-size: 1.0625rem;
    text-wrap: balance;
  }
  .spinner {
    width: 2rem;
    height: 2rem;
    border: 3px solid rgb(255 255 255 / 22%);
    border-top-color: #fff;
    border-radius: 50%;
    animation: turn 0.9s linear infinite;
  }
  @keyframes turn {
    to {
      transform: rotate(1turn);
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .spinner {
      animation-duration: 4s;
    }
    .veil {
      transition: none;
    }
  }
  .banners {
    position: absolute;
    inset: auto 0 0;
    display: grid;
    gap: 0.5rem;
    padding: 0.75rem;
    pointer-events: none;
  }
  .banners > div {
    display: grid;
    gap: 0.5rem;
    justify-items: center;
  }
  .banner {
    padding: 0.5rem 0.875rem;
    border-radius: 0.5rem;
    background: rgb(20 24 32 / 92%);
    color: #fff;
    font-size: 0.9375rem;
    line-height: 1.35;
  }
  .banner.warn {
    background: #ffc247;
    color: #241a00;
    font-weight: 650;
  }
  .alarm {
    padding: 0.625rem 1.125rem;
    background: #c3201a;
    color: #fff;
    line-height: 1.4;
    overflow-wrap: anywhere;
  }
  /* For those who hear it: whoever sees the alarm sees that it is gone. */
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  /* There before it says something, without taking a place among the facts. */
  .company:not(:has(.fact)) {
    position: absolute;
  }
  .ending {
    display: grid;
    gap: 0.75rem;
    justify-items: center;
    padding: 2.5rem 1.5rem;
    text-align: center;
  }
  .ending h2 {
    font-size: 1.75rem;
    letter-spacing: -0.01em;
  }
  .ending p {
    max-width: 44ch;
    font-size: 1.0625rem;
    line-height: 1.45;
  }
  .ending blockquote {
    max-width: 44ch;
    padding: 0.5rem 1rem;
    border-inline-start: 3px solid #ffc247;
    text-align: start;
    overflow-wrap: anywhere;
  }
  .ending .when {
    color: #aeb8c6;
    font-variant-numeric: tabular-nums;
  }
  .strip {
    display: flex;
    flex-wrap: wrap;
    gap: 0.75rem 2rem;
    align-items: center;
    padding: 0.875rem 1.125rem;
  }
  .fact {
    display: grid;
    gap: 0.125rem;
  }
  .label {
    font-size: 0.75rem;
    color: var(--curfew-muted, GrayText);
  }
  .value {
    display: inline-flex;
    gap: 0.4375rem;
    align-items: center;
    min-height: 1.5rem;
    font-weight: 550;
    font-variant-numeric: tabular-nums;
  }
  .countdown {
    min-width: 4.2ch;
    font-size: 2rem;
    font-weight: 680;
    line-height: 1.05;
    letter-spacing: -0.02em;
    font-variant-numeric: tabular-nums;
  }
  .time[data-urgent] .countdown {
    color: var(--curfew-danger, #c3201a);
  }
  .dot {
    width: 0.5625rem;
    height: 0.5625rem;
    border-radius: 50%;
    background: #d19a1c;
  }
  [data-tone='good'] .dot {
    background: #1f9d55;
  }
  [data-tone='bad'] .dot {
    background: #d5362f;
  }
  .buttons {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem;
    margin-inline-start: auto;
  }
  @media (max-width: 34rem) {
    .strip {
      display: grid;
      align-items: start;
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
    .buttons {
      grid-column: 1 / -1;
      margin: 0;
    }
    .buttons button {
      flex: 1;
    }
  }
  button {
    min-height: 2.75rem;
    padding: 0.5rem 0.875rem;
    border: 1px solid var(--curfew-line, ButtonBorder);
    border-radius: 0.5rem;
    background: transparent;
    color: inherit;
    font: inherit;
    cursor: pointer;
  }
  .strip button[aria-pressed='true'] {
    border-color: var(--accent);
    color: var(--accent);
  }
  :focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  .details {
    padding: 0 1.125rem;
    border-top: 1px solid var(--curfew-line, ButtonBorder);
    font-size: 0.875rem;
  }
  summary {
    min-height: 2.75rem;
    align-content: center;
    color: var(--curfew-muted, GrayText);
    cursor: pointer;
  }
  table {
    border-spacing: 0;
    font-variant-numeric: tabular-nums;
  }
  th,
  td {
    padding: 0.1875rem 1.5rem 0.1875rem 0;
    text-align: start;
  }
  th {
    font-weight: 550;
  }
  .hint {
    padding: 0.5rem 0 0.875rem;
    color: var(--curfew-muted, GrayText);
  }
`;
