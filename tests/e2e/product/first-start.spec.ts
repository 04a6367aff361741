import { expect, test, type Page } from '@playwright/test';
import { signIn } from '../support/console.js';
import { Lab } from '../support/lab.js';

/** A lab on its first day: nobody has an account, and there is no robot. */
let lab: Lab;
test.beforeAll(async () => {
  lab = await Lab.start({ CURFEW_REGISTRATION: 'true' });
});
test.afterAll(() => lab?.stop());

async function fill(page: Page, name: string, email: string): Promise<void> {
  await page.getByLabel('Your name').fill(name);
  await page.getByLabel('E-mail').fill(email);
  await page.locator('input[name=password]').fill('a long enough password');
  await page.getByRole('button', { name: 'Create the account' }).click();
}

test('the printed link makes the first administrator, who adds a robot', async ({ page }) => {
  await page.goto(lab.firstAdminLink);
  await fill(page, 'Ada', 'ada@example.org');
  await expect(page.getByText('There are no robots yet')).toBeVisible();
  await page.getByRole('link', { name: 'Fleet' }).click();
  await page.getByRole('button', { name: 'Add a robot' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Rover 1');
  await page.getByLabel('Short name').fill('rover-1');
  await page.getByLabel('Type').fill('rover');
  await page.getByRole('button', { name: 'Add robot' }).click();
  await expect(page.getByText('Rover 1 is added. Issue a credential for it next.')).toBeVisible();
  await page.goto('about:blank');
  await page.goto(lab.firstAdminLink);
  await fill(page, 'Eve', 'eve@example.org');
  await expect(page.getByRole('alert'), 'it works once').toContainText('not valid');
});

test('somebody makes an account, and signs in with it again', async ({ page }) => {
  await page.goto(lab.facts.url);
  await page.getByRole('link', { name: 'Create one' }).click();
  await expect(page.getByLabel('Your name')).toBeFocused();
  await fill(page, 'Vera', 'vera@example.org');
  await expect(page.getByRole('heading', { level: 1, name: 'Robots' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'My bookings' })).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, lab, { email: 'vera@example.org', password: 'a long enough password' });
});

test('who has an account already is told so', async ({ page }) => {
  await page.goto(`${lab.facts.url}/#/register`);
  await fill(page, 'Wanda', 'wanda@example.org');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('link', { name: 'Create one' }).click();
  await fill(page, 'Wanda', 'Wanda@example.org');
  await expect(page.getByRole('alert')).toContainText('Sign in with it');
});
