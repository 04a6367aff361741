import { expect, test } from '@playwright/test';
import { elsewhere, lookAgain, newcomer, person, signedIn } from '../support/console.js';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

test('a guest is invited, finds the session, watches it, is removed, and one who leaves is gone', async ({ browser, page }) => {
  const [gina, gus] = [await newcomer(demo, 'Gina'), await newcomer(demo, 'Gus')];
  await signedIn(page, demo, 'viewer');
  await page.goto(`${demo.facts.url}/#/bookings`);
  const card = page.getByRole('listitem').filter({ hasText: 'Running now' });
  for (const [guest, button] of [[gina, /^Invite/], [gus, /^Guests/]] as const) {
    await card.getByRole('button', { name: button }).click();
    await page.getByLabel('E-mail of the guest').fill(guest.email);
    await page.getByRole('button', { name: 'Invite', exact: true }).click();
    await expect(page.locator('curfew-secret')).toContainText(`/#/watch/${demo.facts.booking.id}`);
    await page.getByRole('button', { name: 'Done' }).click();
  }
  await expect(card).toContainText(/With (Gina, Gus|Gus, Gina)/);

  const theirs = await elsewhere(browser, demo, await person(demo, gina), 'bookings');
  const invitation = theirs.getByRole('listitem').filter({ hasText: 'Turtle 1' });
  await expect(invitation).toContainText('Invited by Vera Viewer');
  await expect(invitation.getByRole('button', { name: /^Cancel/ })).toHaveCount(0);
  await invitation.getByRole('link', { name: /^Watch/ }).click();
  const viewer = theirs.locator('curfew-viewer');
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();

  await card.getByRole('button', { name: /^Guests/ }).click();
  await page.getByRole('button', { name: 'Remove… Gina' }).click();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(page.getByText('Gina is no guest any more.')).toBeVisible();
  await expect(card).toContainText('With Gus');
  await expect(viewer.getByRole('heading', { name: 'Session over' })).toBeVisible();
  await theirs.context().close();

  const other = await elsewhere(browser, demo, await person(demo, gus), 'bookings');
  await other.getByRole('button', { name: /^Leave/ }).click();
  await other.getByRole('button', { name: 'Leave it' }).click();
  await expect(other.getByText('You left the booking of Turtle 1.')).toBeVisible();
  await expect(other.getByText('You have nothing booked.')).toBeVisible();
  await lookAgain(page);
  await expect(card).not.toContainText('With');
  await other.context().close();
});

test('an address without an account cannot be invited, and the holder reads what to do', async ({ page }) => {
  await signedIn(page, demo, 'viewer');
  await page.goto(`${demo.facts.url}/#/bookings`);
  await page.getByRole('button', { name: /^Invite/ }).first().click();
  await page.getByLabel('E-mail of the guest').fill('nobody@example.org');
  await page.getByRole('button', { name: 'Invite', exact: true }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText(/no such person.* Check the address/);
});
