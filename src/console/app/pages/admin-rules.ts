import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { keyed } from 'lit/directives/keyed.js';
import type { LabRules } from '../api/types.js';
import { api } from '../context.js';
import { LoadingPage } from '../parts/loading-page.js';
import { field } from '../parts/page.js';
import '../parts/week-hours.js';
import { fieldsOf, readRules, valueOf, type RuleField } from '../rules.js';

/** The lab's rules, each with what it does; a change is a fact in the log. */
@customElement('curfew-admin-rules')
export class AdminRulesPage extends LoadingPage {
  protected override readonly refreshMs = 60_000;
  @state() private rules: LabRules | null = null;
  @state() private dirty = false;
  @state() private always = false;

  protected override render() {
    return html`
      <div class="page rules">
        <div class="heading"><h1 tabindex="-1">The lab's rules</h1></div>
        <p class="muted">They hold for bookings made from now on; what is booked already stays.</p>
        ${this.content(() => (this.rules === null ? html`` : html`${keyed(this.rules, this.#form(this.rules))}`))} ${this.outcome()}
      </div>
    `;
  }

  #form(rules: LabRules): TemplateResult {
    const fields = fieldsOf(rules);
    const groups = [...new Set(fields.map(({ group }) => group))];
    return html`
      <form class="form" @submit=${this.#submit} @input=${() => (this.dirty = true)}>
        <fieldset class="card form">
          <legend><h2>When the lab is open</h2></legend>
          ${this.#hours(rules)}
        </fieldset>
        ${groups.map(
          (group) => html`
            <fieldset class="card form">
              <legend><h2>${group}</h2></legend>
              <div class="fields">${fields.filter((one) => one.group === group).map((one) => this.#field(one, rules))}</div>
            </fieldset>
          `,
        )}
        <div class="card form save">
          <label>Why, for the log <input name="reason" maxlength="500" autocomplete="off" /></label>
          <div class="row">
            <button class="primary" ?disabled=${this.pending || !this.dirty}>Save the rules</button>
            ${this.dirty ? html`<button type="button" @click=${this.#discard}>Discard changes</button>` : nothing}
          </div>
        </div>
      </form>
    `;
  }

  #hours(rules: LabRules): TemplateResult {
    const { from = '09:00', to = '18:00' } = rules.open_hours ?? {};
    return html`
      <label class="check">
        <input type="checkbox" name="always" .checked=${this.always} @change=${(event: Event) => (this.always = (event.target as HTMLInputElement).checked)} />
        Open day and night
      </label>
      <div class="fields">
        <label>Opens <input name="opens" type="time" .value=${from.slice(0, 5)} ?disabled=${this.always} required /></label>
        <label>Closes <input name="closes" type="time" .value=${to.slice(0, 5)} ?disabled=${this.always} required /><small>00:00 is the midnight at the day's end.</small></label>
        <label>
          Time zone <input name="zone" .value=${rules.zone} list="zones" autocomplete="off" required />
          <datalist id="zones">${Intl.supportedValuesOf('timeZone').map((zone) => html`<option value=${zone}></option>`)}</datalist>
          <small>Hours and days are counted in it, with its summer time.</small>
        </label>
      </div>
      <curfew-week-hours .rules=${rules}></curfew-week-hours>
      <label>
        Closed on
        <textarea name="closures" rows="3" .value=${rules.closures.join('\n')} spellcheck="false"></textarea>
        <small>One date a line, like 2026-12-24. No window may touch these days.</small>
      </label>
    `;
  }

  #field(one: RuleField, rules: LabRules): TemplateResult {
    if (one.kind === 'switch') {
      return html`
        <div>
          <label class="check"><input type="checkbox" name=${one.name} .checked=${rules[one.name] === true} /> ${one.label}</label>
          <small>${one.does}</small>
        </div>
      `;
    }
    return html`
      <label>
        ${one.label}
        <input name=${one.name} type="number" inputmode="numeric" min=${one.least} step=${one.unit === undefined ? 1 : 'any'} .value=${valueOf(rules, one)} ?required=${one.kind === 'number'} />
        <small>${one.does}</small>
      </label>
    `;
  }

  #discard = () => {
    this.dirty = false;
    if (this.rules !== null) this.#take({ ...this.rules });
    void this.refresh();
  };

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const { rules } = this;
    if (rules === null) return;
    void this.attempt(async () => {
      this.#take(await api.changeRules(readRules(rules, form), field(form, 'reason')));
      this.dirty = false;
      this.done = 'The rules are changed.';
    });
  };

  #take(rules: LabRules): void {
    this.rules = rules;
    this.always = rules.open_hours === null;
  }

  protected override async load(): Promise<void> {
    const rules = await api.rules();
    // What somebody is changing or reading is not taken from under their hands.
    if (!this.dirty && JSON.stringify(rules) !== JSON.stringify(this.rules)) this.#take(rules);
  }
}
