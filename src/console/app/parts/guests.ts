import { html, nothing, type TemplateResult } from 'lit';
import type { Booking, BookingMember } from '../api/types.js';
import { api } from '../context.js';
import type { ShownBooking } from './booking.js';
import type { Question } from './dialog.js';
import { field } from './page.js';
import './secret.js';

export function nameOf(member: BookingMember | null | undefined): string {
  return member?.name ?? 'somebody whose account is gone';
}

/** The guests of one's own booking: who they are, removing one, inviting another. */
export function guestsOf({ booking, robot }: ShownBooking, ask: (question: Question) => void): Question {
  const guests = booking.guests ?? [];
  return {
    title: guests.length === 0 ? 'Invite a guest' : `Guests with ${robot}`,
    body: html`
      ${guests.length === 0
        ? nothing
        : html`<ul class="lines">${guests.map((guest) => line(guest, () => ask(removing(booking, guest, robot))))}</ul>`}
      <p>A guest watches ${robot} with you for as long as your booking lasts, and needs an account here.</p>
      <label>E-mail of the guest <input name="email" type="email" autocomplete="off" required /></label>
    `,
    act: 'Invite',
    keep: 'Close',
    next: { not_found: 'Check the address, or ask an administrator to add them.' },
    run: async (form) => {
      const email = field(form, 'email');
      await api.invite(booking.id, email);
      return invited(email, `${location.origin}/#/watch/${booking.id}`);
    },
  };
}

function line(guest: BookingMember, remove: () => void): TemplateResult {
  return html`
    <li class="row between">
      <span>${nameOf(guest)}</span>
      <button type="button" class="danger" @click=${remove}>Remove…<span class="unseen"> ${nameOf(guest)}</span></button>
    </li>
  `;
}

function invited(email: string, url: string): Question {
  return {
    title: 'The guest is invited',
    body: html`
      <p><strong>${email}</strong> finds it under My bookings. Or send the way in:</p>
      <curfew-secret .value=${url}></curfew-secret>
    `,
    act: 'Done',
    run: () => Promise.resolve(''),
  };
}

function removing(booking: Booking, guest: BookingMember, robot: string): Question {
  return {
    title: `Remove ${nameOf(guest)}?`,
    body: `Their picture of ${robot} stops at once. You can invite them again.`,
    act: 'Remove',
    keep: 'Leave it',
    grave: true,
    run: async () => {
      await api.removeGuest(booking.id, guest.user_id);
      return `${nameOf(guest)} is no guest any more.`;
    },
  };
}

/** Leaving a booking that one was invited to. */
export function leaving({ booking, robot, running }: ShownBooking, account: string): Question {
  return {
    title: 'Leave this booking?',
    body: `${running ? 'Your picture stops at once. ' : ''}Only ${nameOf(booking.invited_by)} can invite you to ${robot} again.`,
    act: 'Leave it',
    keep: 'Stay',
    grave: true,
    run: async () => {
      await api.removeGuest(booking.id, account);
      return `You left the booking of ${robot}.`;
    },
  };
}
