import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import type { LabRules, Weekday } from '../api/types.js';
import { kindOf, WEEKDAYS, type DayKind } from '../rules.js';

const KINDS: Record<DayKind, string> = { usual: 'As every day', closed: 'Closed', own: 'Own hours' };

/** The days of the week that differ, as fields of the form around it: each named after its day. */
@customElement('curfew-week-hours')
export class WeekHours extends LitElement {
  @property({ attribute: false }) rules!: LabRules;
  @state() private kinds = new Map<Weekday, DayKind>();

  protected override createRenderRoot(): this {
    return this;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('rules')) this.kinds = new Map(WEEKDAYS.map((day) => [day, kindOf(this.rules, day)]));
  }

  protected override render() {
    const differ = [...this.kinds.values()].some((kind) => kind !== 'usual');
    return html`
      <details class="week" ?open=${differ}>
        <summary>Days of the week with other hours</summary>
        <div class="form tight">${WEEKDAYS.map((day) => this.#day(day))}</div>
      </details>
    `;
  }

  #day(day: Weekday): TemplateResult {
    const name = day.charAt(0).toUpperCase() + day.slice(1);
    const kind = this.kinds.get(day) ?? 'usual';
    const { from, to } = this.rules.weekday_hours?.[day] ?? this.rules.open_hours ?? { from: '09:00', to: '18:00' };
    const choose = (event: Event) => (this.kinds = new Map(this.kinds).set(day, (event.target as HTMLSelectElement).value as DayKind));
    return html`
      <div class="week-day">
        <label>
          ${name}
          <select name=${day} @change=${choose}>
            ${(Object.keys(KINDS) as DayKind[]).map((one) => html`<option value=${one} ?selected=${one === kind}>${KINDS[one]}</option>`)}
          </select>
        </label>
        ${kind === 'own'
          ? html`
              <label><span>Opens<span class="unseen"> on ${name}</span></span> <input name="${day}-opens" type="time" .value=${from.slice(0, 5)} required /></label>
              <label><span>Closes<span class="unseen"> on ${name}</span></span> <input name="${day}-closes" type="time" .value=${to.slice(0, 5)} required /></label>
            `
          : nothing}
      </div>
    `;
  }
}
