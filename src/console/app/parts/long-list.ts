import { html, nothing, type ReactiveController, type ReactiveControllerHost, type TemplateResult } from 'lit';

/** Fewer entries than this are seen at a glance: no field to search them stands in the way. */
const WORTH_SEARCHING = 9;

/** Which entries of a list are shown: those that hold what is looked for, and of these so many. */
export class LongList implements ReactiveController {
  #sought = '';
  #shown: number;

  /** @param step how many entries are shown at first, and how many more each time that more are asked for */
  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly step = 50,
  ) {
    this.#shown = step;
    host.addController(this);
  }

  hostDisconnected(): void {
    this.#sought = '';
    this.#shown = this.step;
  }

  /** The entries whose text has every word that is looked for. */
  matching<Entry>(entries: readonly Entry[], text: (entry: Entry) => string): readonly Entry[] {
    return holding(entries, this.#sought, text);
  }

  /** The first of them, as many as are shown. */
  first<Entry>(entries: readonly Entry[]): readonly Entry[] {
    return entries.slice(0, this.#shown);
  }

  /** The field to look for something in. @param label what it looks for, as in “Find a person” */
  field(label: string, all: readonly unknown[], matching: readonly unknown[]): TemplateResult | typeof nothing {
    if (all.length < WORTH_SEARCHING) return nothing;
    const said = this.#sought === '' ? '' : `${matching.length} of ${all.length}`;
    return html`
      <div class="row search">
        <input type="search" aria-label=${label} placeholder=${label} autocomplete="off" spellcheck="false" .value=${this.#sought} @input=${this.#look} />
        <span role="status" class="muted small">${said}</span>
      </div>
    `;
  }

  /** What is said where nothing matches. */
  nothingFound(): TemplateResult {
    return html`
      <div class="card empty">
        <p>Nothing here matches “${this.#sought}”.</p>
        <button type="button" @click=${() => this.#seek('')}>Show all</button>
      </div>
    `;
  }

  more(matching: readonly unknown[]): TemplateResult | typeof nothing {
    const left = matching.length - this.#shown;
    if (left <= 0) return nothing;
    const add = () => {
      this.#shown += this.step;
      this.host.requestUpdate();
    };
    return html`
      <div class="row more">
        <button type="button" @click=${add}>Show ${Math.min(left, this.step)} more</button>
        <span class="muted small">${this.#shown} of ${matching.length} are shown.</span>
      </div>
    `;
  }

  #look = (event: Event) => this.#seek((event.target as HTMLInputElement).value);

  #seek(sought: string): void {
    this.#sought = sought;
    this.#shown = this.step;
    this.host.requestUpdate();
  }
}

/** The entries whose text has every word of `sought`, however it is written in capitals and with accents. */
export function holding<Entry>(entries: readonly Entry[], sought: string, text: (entry: Entry) => string): readonly Entry[] {
  const words = plain(sought).split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return entries;
  return entries.filter((entry) => {
    const within = plain(text(entry));
    return words.every((word) => within.includes(word));
  });
}

function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
