import { expect, test } from '@playwright/test';
import { elsewhere, newcomer, person } from '../support/console.js';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

test('a new password keeps one signed in here, and nowhere else', async ({ browser }) => {
  const account = await newcomer(demo, 'Petra');
  const page = await elsewhere(browser, demo, await person(demo, account), 'account');
  const other = await elsewhere(browser, demo, await person(demo, account), 'robots');
  await expect(other.getByRole('heading', { name: 'Turtle 1' })).toBeVisible();
  const change = async (old: string, again = 'another long password') => {
    await page.getByLabel('Password now').fill(old);
    await page.getByLabel('New password', { exact: false }).first().fill('another long password');
    await page.getByLabel('New password again').fill(again);
    await page.getByRole('button', { name: 'Change password' }).click();
  };

  await change('not the password');
  await expect(page.getByRole('alert')).toContainText('The old password is wrong. Correct it and try again.');
  await change(account.password, 'something else');
  await expect(page.getByLabel('New password again')).toBeFocused();
  await change(account.password);
  await expect(page.getByText('Your password is changed.')).toBeVisible();

  await page.getByRole('link', { name: 'My bookings' }).click();
  await expect(page.getByText('You have nothing booked.')).toBeVisible();
  await other.getByRole('link', { name: 'My bookings' }).click();
  await expect(other.getByText('Your sign-in has expired.')).toBeVisible();
  await expect(person(demo, account)).rejects.toThrow(/answered 401/);
  await person(demo, { ...account, password: 'another long password' });
  await page.context().close();
  await other.context().close();
});
