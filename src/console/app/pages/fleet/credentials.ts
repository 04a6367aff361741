import { html, nothing, type TemplateResult } from 'lit';
import type { Robot } from '../../api/types.js';
import { api } from '../../context.js';
import type { Question } from '../../parts/dialog.js';
import '../../parts/secret.js';

/** A robot's credentials: those that are good, each with its way out, and the way to a new one. */
export function credentials(robot: Robot, ask: (question: Question) => void): Question {
  const good = robot.credentials ?? [];
  return {
    title: `Credentials of ${robot.name}`,
    body: html`
      <p>The robot's agent signs in with one of these. A new one is shown once, and the ones before it stay good until you revoke them.</p>
      ${good.length === 0
        ? html`<p class="notice warn">It has none, so it cannot connect. Issue one and put it into the robot's token file.</p>`
        : html`<ul class="lines">${good.map((id) => line(id, () => ask(revoking(robot, id))))}</ul>`}
    `,
    act: 'Issue a new one',
    keep: 'Close',
    run: async () => shown(robot, (await api.issueCredential(robot.id)).token),
  };
}

function line(id: string, revoke: () => void): TemplateResult {
  return html`
    <li class="row between">
      <code class="small">${id}</code>
      <button type="button" class="danger" @click=${revoke}>Revoke…<span class="unseen"> ${id}</span></button>
    </li>
  `;
}

function shown(robot: Robot, token: string): Question {
  return {
    title: `Credential for ${robot.name}`,
    body: html`
      <p>Copy it now into the robot's token file: it cannot be shown again.</p>
      <curfew-secret .value=${token}></curfew-secret>
    `,
    act: 'I have copied it',
    run: () => Promise.resolve(''),
  };
}

function revoking(robot: Robot, credential: string): Question {
  const last = (robot.credentials ?? []).length === 1;
  return {
    title: `Revoke a credential of ${robot.name}?`,
    body: html`
      <p>A robot that is online with it is cut off at once, and its running session ends. This cannot be undone.</p>
      <p><code class="small">${credential}</code></p>
      ${last ? html`<p class="notice warn">It is the only one: ${robot.name} cannot connect again until you issue another.</p>` : nothing}
    `,
    act: 'Revoke it',
    keep: 'Keep it',
    grave: true,
    run: async () => {
      await api.revokeCredential(robot.id, credential);
      return `The credential of ${robot.name} is revoked.`;
    },
  };
}
