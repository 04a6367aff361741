import { html, type TemplateResult } from 'lit';
import type { Robot } from '../../api/types.js';
import { api } from '../../context.js';
import type { Question } from '../../parts/dialog.js';
import { field } from '../../parts/page.js';
import { reasonField } from '../../parts/tag.js';

/** Adding a robot. @param types the types that there are already */
export function adding(types: readonly string[]): Question {
  return {
    title: 'Add a robot',
    body: html`
      <label>Name <input name="name" maxlength="100" autocomplete="off" required /></label>
      <label>
        Short name <input name="slug" pattern="[a-z0-9][a-z0-9\\-]*" maxlength="64" autocomplete="off" required />
        <small>Small letters, digits and hyphens, like turtle-1. It stays as it is.</small>
      </label>
      ${typeField('', types)} ${camerasField('main')}
    `,
    act: 'Add robot',
    keep: 'Leave it',
    run: async (form) => {
      const robot = await api.addRobot({ slug: field(form, 'slug'), ...described(form) });
      return `${robot.name} is added. Issue a credential for it next.`;
    },
  };
}

/** Changing what is known of a robot, with the way to retire it. */
export function editing(robot: Robot, types: readonly string[], ask: (question: Question) => void): Question {
  return {
    title: `Edit ${robot.name}`,
    body: html`
      <label>Name <input name="name" .value=${robot.name} maxlength="100" autocomplete="off" required /></label>
      ${typeField(robot.type, types)} ${camerasField(robot.cameras.join(', '))}
      <p class="row between">
        <span class="muted small">Taken out of the lab for good?</span>
        <button type="button" class="danger" @click=${() => ask(retiring(robot))}>Retire…</button>
      </p>
    `,
    act: 'Save',
    keep: 'Leave it',
    run: async (form) => {
      const changed = await api.updateRobot(robot.id, described(form));
      return `${changed.name} is saved.`;
    },
  };
}

function retiring(robot: Robot): Question {
  return {
    title: `Retire ${robot.name}?`,
    body: html`
      <p>Its running session ends at once, its bookings are cancelled, and it cannot connect again. There is no way back; what the log has of it stays.</p>
      ${reasonField('shown to those whose booking it takes', 'Needed where somebody loses a booking by it.')}
    `,
    act: 'Retire it',
    keep: 'Keep it',
    grave: true,
    run: async (form) => {
      await api.retireRobot(robot.id, field(form, 'reason'));
      return `${robot.name} is retired.`;
    },
  };
}

function typeField(type: string, types: readonly string[]): TemplateResult {
  return html`
    <label>
      Type <input name="type" .value=${type} list="types" pattern="[A-Za-z0-9._\\-]+" maxlength="64" autocomplete="off" required />
      <small>One word. Of several robots of one type, people can book “any”.</small>
    </label>
    <datalist id="types">${types.map((one) => html`<option value=${one}></option>`)}</datalist>
  `;
}

function camerasField(cameras: string): TemplateResult {
  return html`
    <label>
      Cameras <input name="cameras" .value=${cameras} autocomplete="off" required />
      <small>Their names as the robot sends them, with commas between.</small>
    </label>
  `;
}

function described(form: HTMLFormElement): { name: string; type: string; cameras: string[] } {
  const cameras = field(form, 'cameras').split(',').map((camera) => camera.trim()).filter((camera) => camera !== '');
  return { name: field(form, 'name'), type: field(form, 'type'), cameras };
}
